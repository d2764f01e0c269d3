"""(P2)^3 [1 1 1; 1 1 1; 1 1 1], a random member.

Euler number -90, three polynomials.

  python -m launch.train --config=configs/triple_p2.py --workdir=runs/triple_p2

Measured (seed 0): sigma = 0.0609 +- 0.0008, from 0.504 of Fubini-Study; 202 seconds of one core
of a busy AMD EPYC.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((2, 2, 2), ((1, 1, 1), (1, 1, 1), (1, 1, 1)))
  return config
