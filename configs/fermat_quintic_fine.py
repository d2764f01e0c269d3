"""The Fermat quintic threefold, as well as two cores do in ten minutes without its symmetry.

  python -m launch.train --config=configs/fermat_quintic_fine.py --workdir=runs/fermat_quintic_fine

Measured (worse of seeds 0 and 1): sigma = 0.000279 +- 0.000002, from 0.370 of Fubini-Study;
512 seconds on two cores of an AMD EPYC. With the symmetry given (fermat_symmetric.py) less
time goes further.
"""

from configs import fermat_quintic


def get_config():
  config = fermat_quintic.get_config()
  config.network = "monomial_mlp(widths=(64, 64, 64))"
  config.gauss_newton.steps = 1200
  return config
