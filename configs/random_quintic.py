"""A random quintic threefold: Gaussian coefficients, every monomial present, no symmetry.

  python -m launch.train --config=configs/random_quintic.py --workdir=runs/random_quintic

Measured (seed 0): sigma = 0.0155 +- 0.0002, from 0.406 of Fubini-Study; 94 seconds on two cores of
an AMD EPYC. With --config.network='algebraic(degree=5)' alone: 0.0183 +- 0.0003 after 35 seconds;
with 'algebraic(degree=4)' --config.data.train_points=60000: 0.035. random_quintic_fine.py goes
on to degree 6.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((4,), ((5,),))
  config.network = "algebraic(degree=5) + curvature_mlp()"
  config.gauss_newton.steps = 100
  config.data.train_points = 160_000
  return config
