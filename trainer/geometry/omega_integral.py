"""integral |Omega|^2 where it is known in closed form."""

from __future__ import annotations

import math

from trainer.geometry.variety import Variety


def exact_omega_integral(variety: Variety) -> float | None:
  """integral over X of |Omega|^2, for sums of d-th powers; None for any other variety.

  For Q = sum_i c_i z_i^d in P^{d-1}:
  pi^{d-2} (Gamma(1/d) / Gamma(1 - 1/d))^d / d^{d-1} prod_i |c_i|^{-2/d}, with respect to the
  Lebesgue measure d^{2n}x of the local coordinates.

  Source: the periods of Fermat hypersurfaces are products of Gamma(1/d); rescaling z_i by
  c_i^{-1/d} gives the dependence on the coefficients.
  """
  if len(variety.ambient) > 1 or variety.codimension > 1:
    return None
  d = variety.ambient[0] + 1
  (polynomial,) = variety.polynomials
  powers = {
    row.index(d): c
    for row, c in zip(polynomial.exponents, polynomial.coefficients)
    if max(row) == d
  }
  if len(powers) != d or len(polynomial.exponents) != d:
    return None
  unit = math.pi ** (d - 2) * (math.gamma(1 / d) / math.gamma(1 - 1 / d)) ** d / d ** (d - 1)
  return unit * math.prod(abs(c) ** (-2 / d) for c in powers.values())
