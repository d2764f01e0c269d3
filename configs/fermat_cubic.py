"""The Fermat cubic, an elliptic curve.

Its flat metric is known exactly: kappa |Omega|^2, so that eta = 1 holds in every point.

  python -m launch.train --config=configs/fermat_cubic.py --workdir=runs/fermat_cubic

Measured (seed 0): sigma = 1.2e-4, max |eta - 1| = 6.8e-4 over 20,000 held-out points after 20,000
steps; 59 seconds of one core of a busy AMD EPYC.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((2,), polynomials="z0^3 + z1^3 + z2^3")
  config.network = "phi_mlp(widths=(64, 64, 64), activation='gelu')"
  config.steps = 20_000
  config.gauss_newton.steps = 0
  return config
