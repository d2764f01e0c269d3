r"""The Dwork quintic, psi an argument, with its symmetry group given.

The group: S5, the phases Z5^3 and complex conjugation.

  python -m launch.train --config=configs/dwork_symmetric.py:0.5 \
    --workdir=runs/dwork_symmetric --dtype=float64

A second argument is the degree: dwork_symmetric.py:0.5,12.

Measured (psi = 0.5, worse of seeds 0 and 1, from 0.36 of Fubini-Study): sigma = 0.000104 after 47
seconds on two cores of an AMD EPYC; degree 12 (2.26 +- 0.03)e-5 after 57. The certificate takes a
minute or two more.
"""

from trainer import default_config, variety


def get_config(arguments: str = "0.5"):
  psi, _, degree = arguments.partition(",")
  config = default_config()
  config.variety = variety(
    (4,),
    polynomials="z0^5 + z1^5 + z2^5 + z3^5 + z4^5 - 5*psi*z0*z1*z2*z3*z4",
    parameters=dict(psi=psi),
  )
  config.network = (
    f"invariant(degree={degree or 10}, order=5, phases=((1,4,0,0,0),(0,1,4,0,0),(0,0,1,4,0)), "
    "permutations=((1,2,3,4,0),(1,0,2,3,4)), conjugation=True)"
  )
  config.gauss_newton.steps = 30
  config.data.train_points = 10_000
  return config
