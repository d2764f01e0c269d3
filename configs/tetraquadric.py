"""The tetraquadric in (P1)^4, a random member.

Euler number -128, four Kaehler moduli.

  python -m launch.train --config=configs/tetraquadric.py --workdir=runs/tetraquadric

Measured (seed 0): sigma = 0.0088 +- 0.0002, from 0.415 of Fubini-Study; 512 seconds on two cores of
an AMD EPYC, degree 2 done after 50 with 0.031. phi_mlp with 12,000 steps of Adam stalls at 0.081.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((1, 1, 1, 1), ((2,), (2,), (2,), (2,)))
  return config
