"""The Dwork quintic sum_i z_i^5 - 5 psi prod_i z_i; psi is the argument, complex too.

psi = 1 (and its fifth roots of unity) is the conifold, which is refused. Networks that
see only z_i conj(z_j) stall at 0.035: they do not find the phases of the monomials,
which monomial_mlp is given.

  python -m launch.train --config=configs/dwork_quintic.py:0.5 --workdir=runs/dwork_0.5

Measured (psi = 0.5, worse of seeds 0 and 1): sigma = 0.00326 +- 0.00002, from 0.365 of
Fubini-Study; 423 seconds on two cores of an AMD EPYC, 0.012 after 71 of them. The algebraic metric
of degree 5 takes 388 seconds to 0.0118.
"""

from trainer import default_config, variety


def get_config(psi: str = "0.5"):
  config = default_config()
  config.variety = variety(
    (4,),
    polynomials="z0^5 + z1^5 + z2^5 + z3^5 + z4^5 - 5*psi*z0*z1*z2*z3*z4",
    parameters=dict(psi=psi),
  )
  config.network = "monomial_mlp(widths=(96, 96, 96))"
  config.gauss_newton.steps = 600
  return config
