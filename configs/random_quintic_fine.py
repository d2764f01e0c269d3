"""The random quintic of random_quintic.py as far as ten minutes go: degree 6.

  python -m launch.train --config=configs/random_quintic_fine.py --workdir=runs/random_quintic_fine
"""

from configs import random_quintic


def get_config():
  config = random_quintic.get_config()
  config.network = "algebraic(degree=6) + curvature_mlp()"
  config.data.train_points = 400_000
  return config
