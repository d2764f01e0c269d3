"""P5[3,3], z0^3+z1^3+z2^3 = 3 psi z3 z4 z5 and z3^3+z4^3+z5^3 = 3 psi z0 z1 z2, at psi = 1/2.

A one-parameter family with Euler number -144 (Libgober, Teitelbaum 1993).

  python -m launch.train --config=configs/cubic_pair.py --workdir=runs/cubic_pair

Measured (seed 0): sigma = 0.00117 +- 0.00001, from 0.129 of Fubini-Study; 504 seconds on two cores
of an AMD EPYC. phi_mlp with 12,000 steps of Adam reaches 0.016.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety(
    (5,),
    ((3, 3),),
    polynomials="z0^3 + z1^3 + z2^3 - 3*psi*z3*z4*z5; z3^3 + z4^3 + z5^3 - 3*psi*z0*z1*z2",
    parameters=dict(psi="0.5"),
  )
  config.network = "algebraic(degree=5)"
  config.gauss_newton.steps = 20
  config.data.train_points = 280_000
  return config
