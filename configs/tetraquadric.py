"""The tetraquadric in (P1)^4, a random member.

Euler number -128, four Kaehler moduli.

  python -m launch.train --config=configs/tetraquadric.py --workdir=runs/tetraquadric

Measured with --config.network='algebraic(degree=3)' and 250,000 points, by eta alone: sigma =
0.0088 +- 0.0002, from 0.415 of Fubini-Study; 512 seconds on two cores of an AMD EPYC. Chosen for
300 seconds: degree 1, then 3, 82,285 points, 0.0106 +- 0.0002 in 316 seconds. For 600 seconds
(--config.budget_seconds=600): degrees 1, 2, 4, 0.0036 +- 0.0001 in 492. phi_mlp with 12,000 steps
of Adam stalls at 0.081.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((1, 1, 1, 1), ((2,), (2,), (2,), (2,)))
  return config
