"""The Fermat quartic, a K3 surface.

The Ricci-flat metric is hyper-Kaehler.

  python -m launch.train --config=configs/k3_quartic.py --workdir=runs/k3_quartic

Measured (seed 0): sigma = 6.5e-4, max |eta - 1| = 6.7e-3, from 0.230 of Fubini-Study; 138 seconds of one core
of a busy AMD EPYC.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((3,), polynomials="z0^4 + z1^4 + z2^4 + z3^4")
  config.network = "phi_mlp(widths=(64, 64, 64), activation='gelu')"
  config.steps = 24_000
  config.gauss_newton.steps = 0
  return config
