r"""The Fermat quintic with its symmetry group given: S5, the phases Z5^4 and complex conjugation.

  python -m launch.train --config=configs/fermat_symmetric.py \
    --workdir=runs/fermat_symmetric --dtype=float64

An argument is the degree: fermat_symmetric.py:14.

Measured (worse of seeds 0 and 1, from 0.37 of Fubini-Study): sigma = (6.89 +- 0.06)e-5 after 44
seconds on two cores of an AMD EPYC; degree 12 (seed 0) (1.41 +- 0.01)e-5 after 66. The certificate
takes a minute or two more.
"""

from trainer import default_config, variety


def get_config(degree: str = "10"):
  config = default_config()
  # psi stays 0: it names the deformation that --harmonic and --moduli measure.
  config.variety = variety(
    (4,),
    polynomials="z0^5 + z1^5 + z2^5 + z3^5 + z4^5 - 5*psi*z0*z1*z2*z3*z4",
    parameters=dict(psi="0"),
  )
  config.network = (
    f"invariant(degree={degree}, order=5, "
    "phases=((1,0,0,0,0),(0,1,0,0,0),(0,0,1,0,0),(0,0,0,1,0)), "
    "permutations=((1,2,3,4,0),(1,0,2,3,4)), conjugation=True)"
  )
  config.gauss_newton.steps = 30
  config.data.train_points = 10_000
  return config
