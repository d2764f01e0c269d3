"""The Schoen manifold, P1 x P2 x P2 [1 1; 3 0; 0 3], a random member.

Euler number 0, the fibre product of two rational elliptic surfaces.

  python -m launch.train --config=configs/schoen.py --workdir=runs/schoen

Measured with --config.network='algebraic(degree=2)' and 120,000 points, by eta alone: sigma =
0.0365 +- 0.0006, from 0.618 of Fubini-Study; 64 seconds on two cores of an AMD EPYC. phi_mlp with
12,000 steps of Adam ends at 0.0631 after 260.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((1, 2, 2), ((1, 1), (3, 0), (0, 3)))
  return config
