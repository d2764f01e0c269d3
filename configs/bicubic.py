"""The bicubic in P2 x P2, a random member.

Euler number -162, two Kaehler moduli.

  python -m launch.train --config=configs/bicubic.py --workdir=runs/bicubic

Measured (seed 0): sigma = 0.0238 +- 0.0003, from 0.390 of Fubini-Study; 165 seconds on two busy cores of an
AMD EPYC. phi_mlp with 12,000 steps of Adam stalls at 0.083. With --config.network='algebraic(degree=4)'
--config.data.train_points=200000 --config.continuation='(3,)': 0.0099 +- 0.0003 after 588 seconds.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((2, 2), ((3,), (3,)))
  config.network = "algebraic(degree=3)"
  config.gauss_newton.steps = 20
  config.data.train_points = 100_000
  return config
