"""Members of a family, by name: Fermat-like, Dwork and random polynomials."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from trainer.geometry.polynomials import Polynomial


def fermat(degree: int) -> Polynomial:
  """sum_i z_i^d in d variables."""
  return Polynomial(
      tuple(tuple(degree * (i == j) for i in range(degree)) for j in range(degree)),
      (1,) * degree)


def dwork(degree: int, psi: complex) -> Polynomial:
  """sum_i z_i^d - d psi prod_i z_i in d variables."""
  powers = fermat(degree)
  return Polynomial(powers.exponents + ((1,) * degree,),
                    powers.coefficients + (-degree * complex(psi),))


def random_polynomial(
    ambient: Sequence[int], degrees: Sequence[int], rng: np.random.Generator) -> Polynomial:
  """Complex normal coefficients times sqrt(multinomial): invariant under unitary maps of factors.

  Args:
    ambient: (n_1, ..., n_m).
    degrees: the multidegree (q^1, ..., q^m).
    rng: source of randomness.

  Returns:
    A polynomial with every monomial of that multidegree, smooth with probability one.
  """
  factors = [[row for row in itertools.product(range(q + 1), repeat=n + 1) if sum(row) == q]
             for n, q in zip(ambient, degrees)]
  rows = [sum(parts, ()) for parts in itertools.product(*factors)]
  coefficients = rng.normal(size=(len(rows), 2)) @ [1, 1j] / math.sqrt(2)
  norms = [math.sqrt(math.prod(math.factorial(q) for q in degrees)
                     / math.prod(math.factorial(e) for e in row)) for row in rows]
  return Polynomial(tuple(rows), tuple(coefficients * norms))
