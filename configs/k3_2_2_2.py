"""The K3 surface P5[2,2,2], a random member.

Degree 8, three quadrics.

  python -m launch.train --config=configs/k3_2_2_2.py --workdir=runs/k3_2_2_2

Measured with --config.network='algebraic(degree=5)' and 100,000 points, by eta alone: sigma =
0.0202 +- 0.0005, from 0.711 of Fubini-Study; 136 seconds on two cores of an AMD EPYC. phi_mlp with
12,000 steps of Adam ends at 0.0276 after 88.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((5,), ((2, 2, 2),))
  return config
