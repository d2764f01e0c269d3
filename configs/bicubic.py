"""The bicubic in P2 x P2, a random member.

Euler number -162, two Kaehler moduli.

  python -m launch.train --config=configs/bicubic.py --workdir=runs/bicubic

Measured, network and points chosen for 300 seconds: sigma = 0.0093 +- 0.0001 (degree 2, then 4),
from 0.390 of Fubini-Study; 227 seconds on two busy cores of an AMD EPYC. For 600 seconds
(--config.budget_seconds=600): 0.0044 +- 0.0001 (degree 2, then 5) in 537. phi_mlp with 12,000 steps
of Adam stalls at 0.083.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((2, 2), ((3,), (3,)))
  return config
