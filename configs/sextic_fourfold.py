"""The Fermat sextic, a Calabi-Yau fourfold.

The dimension of F-theory compactifications.

  python -m launch.train --config=configs/sextic_fourfold.py --workdir=runs/sextic_fourfold

Measured (seed 0): sigma = 0.00747 +- 0.00006, from 0.509 of Fubini-Study; 463 seconds of one core of a busy AMD EPYC.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((5,), polynomials="z0^6 + z1^6 + z2^6 + z3^6 + z4^6 + z5^6")
  config.network = "phi_mlp(widths=(64, 64, 64), activation='gelu')"
  config.steps = 16_000
  config.gauss_newton.steps = 0
  return config
