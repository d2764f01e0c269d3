"""The bicubic in P2 x P2, a random member.

Euler number -162, two Kaehler moduli.

  python -m launch.train --config=configs/bicubic.py --workdir=runs/bicubic

Measured (seed 0): sigma = 0.0095 +- 0.0002, from 0.390 of Fubini-Study; 383 seconds
on two cores of an AMD EPYC. phi_mlp with 12,000 steps of Adam stalls at 0.083. With
--config.network='algebraic(degree=3)' --config.data.train_points=100000: 0.024.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((2, 2), ((3,), (3,)))
  return config
