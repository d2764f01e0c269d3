"""The Dwork quintic sum_i z_i^5 - 5 psi prod_i z_i; psi is the argument, complex too.

psi = 1 (and its fifth roots of unity) is the conifold, which is refused. Networks that see only
z_i conj(z_j) stall here: what is left are functions of higher degree.

  python -m launch.train --config=configs/dwork_quintic.py:0.5 --workdir=runs/dwork_0.5

Measured (psi = 0.5, seed 0): sigma = 0.0118 +- 0.0001, from 0.359 of Fubini-Study; 388 seconds on two busy
cores of an AMD EPYC. No algebraic metric of degree 5 does better than
0.0103. With --config.network='algebraic(degree=4)' --config.data.train_points=50000: 0.0156 after 69 seconds.
"""

from trainer.config import default_config, variety


def get_config(psi: str = "0.5"):
  config = default_config()
  config.variety = variety(
      (4,), polynomials="z0^5 + z1^5 + z2^5 + z3^5 + z4^5 - 5*psi*z0*z1*z2*z3*z4",
      parameters=dict(psi=psi))
  config.network = "algebraic(degree=5)"
  config.steps = 0
  config.gauss_newton.steps = 20
  config.data.train_points = 160_000
  return config
