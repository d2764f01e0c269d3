"""The Fermat quintic threefold.

The easiest Calabi-Yau threefold, for its symmetry, and the one every method is compared on.

  python -m launch.train --config=configs/fermat_quintic.py --workdir=runs/fermat_quintic

Measured (worse of seeds 0 and 1): sigma = 0.000698 +- 0.000004, from 0.375 of Fubini-Study;
66 seconds on two cores of an AMD EPYC, sampling and compilation included. fermat_quintic_fine.py
goes on for ten minutes.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((4,), polynomials="z0^5 + z1^5 + z2^5 + z3^5 + z4^5")
  config.network = "monomial_mlp(widths=(48, 48, 48))"
  config.gauss_newton.steps = 150
  return config
