"""The Schoen manifold, P1 x P2 x P2 [1 1; 3 0; 0 3], a random member.

Euler number 0, the fibre product of two rational elliptic surfaces.

  python -m launch.train --config=configs/schoen.py --workdir=runs/schoen

Measured (seed 0): sigma = 0.0631 +- 0.0008, from 0.618 of Fubini-Study; 260 seconds of one core
of a busy AMD EPYC.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((1, 2, 2), ((1, 1), (3, 0), (0, 3)))
  config.network = "phi_mlp(widths=(64, 64, 64), activation='gelu')"
  config.steps = 12_000
  config.gauss_newton.steps = 0
  return config
