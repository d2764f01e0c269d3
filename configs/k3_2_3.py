"""The K3 surface P4[2,3], a random member.

Degree 6.

  python -m launch.train --config=configs/k3_2_3.py --workdir=runs/k3_2_3

Measured with --config.network='algebraic(degree=5)' and 60,000 points, by eta alone: sigma =
0.00129 +- 0.00004, from 0.486 of Fubini-Study; 40 seconds on two cores of an AMD EPYC. phi_mlp with
12,000 steps of Adam ends at 0.0193 after 57.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((4,), ((2, 3),))
  return config
