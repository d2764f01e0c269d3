"""A random quintic threefold: Gaussian coefficients, every monomial present, no symmetry.

  python -m launch.train --config=configs/random_quintic.py --workdir=runs/random_quintic

Measured, network and points chosen for 300 seconds: sigma = 0.0068 +- 0.0001 (degree 3, then 7),
from 0.394 of Fubini-Study, positive everywhere by proof; 264 seconds on two busy cores of an AMD
EPYC. Seven others (config.variety.seed): 0.0050 to 0.0072, most at degree 8, squared from 4.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((4,), ((5,),))
  return config
