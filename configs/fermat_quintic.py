"""The Fermat quintic threefold.

The easiest Calabi-Yau threefold, for its symmetry, and the one every method is compared on.

  python -m launch.train --config=configs/fermat_quintic.py --workdir=runs/fermat_quintic

Measured (seed 0): sigma = 0.00200 +- 0.00001 after 24,000 steps, from 0.370 of Fubini-Study; 77 seconds on two
cores of an AMD EPYC, sampling and compilation included.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((4,), polynomials="z0^5 + z1^5 + z2^5 + z3^5 + z4^5")
  return config
