"""P5[2,4], a random member.

Euler number -176.

  python -m launch.train --config=configs/p5_2_4.py --workdir=runs/p5_2_4

Measured, network and points chosen for 300 seconds: sigma = 0.0069 +- 0.0001 (degree 3, then 6),
from 0.443 of Fubini-Study; 222 seconds on two busy cores of an AMD EPYC. phi_mlp with 12,000 steps
of Adam ends at 0.0860 after 214.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((5,), ((2, 4),))
  return config
