"""Members of a family, by name: Fermat, Dwork, Fermat-like and random."""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import math

import numpy as np

from trainer.errors import UserError
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety, check_calabi_yau


def fermat(degree: int) -> Polynomial:
  """sum_i z_i^d in d variables."""
  return Polynomial(
    tuple(tuple(degree * (i == j) for i in range(degree)) for j in range(degree)), (1,) * degree
  )


def dwork(degree: int, psi: complex) -> Polynomial:
  """sum_i z_i^d - d psi prod_i z_i in d variables."""
  powers = fermat(degree)
  return Polynomial(
    powers.exponents + ((1,) * degree,), powers.coefficients + (-degree * complex(psi),)
  )


def random_polynomial(
  ambient: Sequence[int], degrees: Sequence[int], rng: np.random.Generator
) -> Polynomial:
  """Complex normal coefficients times sqrt(multinomial): invariant under unitary maps of factors.

  Args:
    ambient: (n_1, ..., n_m).
    degrees: the multidegree (q^1, ..., q^m).
    rng: source of randomness.

  Returns:
    A polynomial with every monomial of that multidegree, smooth with probability one.
  """
  factors = [
    [row for row in itertools.product(range(q + 1), repeat=n + 1) if sum(row) == q]
    for n, q in zip(ambient, degrees)
  ]
  rows = [sum(parts, ()) for parts in itertools.product(*factors)]
  coefficients = rng.normal(size=(len(rows), 2)) @ [1, 1j] / math.sqrt(2)
  norms = [
    math.sqrt(
      math.prod(math.factorial(q) for q in degrees) / math.prod(math.factorial(e) for e in row)
    )
    for row in rows
  ]
  return Polynomial(tuple(rows), tuple(coefficients * norms))


def random_variety(
  ambient: Sequence[int], degrees: Sequence[Sequence[int]], moduli: Sequence[float], seed: int
) -> Variety:
  """A random member of a configuration, smooth with probability one.

  Args:
    ambient: (n_1, ..., n_m).
    degrees: configuration matrix, m rows and K columns.
    moduli: Kaehler moduli (t_1, ..., t_m).
    seed: determines the coefficients.

  Raises:
    UserError: the matrix has the wrong shape or is not Calabi-Yau.
  """
  check_calabi_yau(tuple(ambient), tuple(map(tuple, degrees)))
  rng = np.random.default_rng(seed)
  return Variety(
    tuple(ambient),
    tuple(random_polynomial(ambient, column, rng) for column in zip(*degrees)),
    tuple(moduli),
  )


def fermat_variety(
  ambient: Sequence[int], degrees: Sequence[Sequence[int]], moduli: Sequence[float]
) -> Variety:
  """The member of a configuration whose polynomials are sums of powers, where there is one.

  In one projective space, Q_a = sum_i (i + 1)^a z_i^{q_a} for a = 0, .., K - 1: all minors of the
  coefficients are non-zero (Vandermonde), which makes it smooth if all degrees are equal.

  Raises:
    UserError: the matrix is not Calabi-Yau, or no such smooth member is known.
  """
  check_calabi_yau(tuple(ambient), tuple(map(tuple, degrees)))
  if len(ambient) > 1 or len(set(degrees[0])) > 1:
    raise UserError(
      f"no Fermat-like member is known for the degrees {tuple(map(tuple, degrees))}: it takes "
      "one projective space and equal degrees; use a random member"
    )
  (n,), (row,) = ambient, degrees
  polynomials = tuple(
    Polynomial(
      tuple(tuple(q * (i == j) for i in range(n + 1)) for j in range(n + 1)),
      tuple((j + 1) ** a for j in range(n + 1)),
    )
    for a, q in enumerate(row)
  )
  return Variety((n,), polynomials, tuple(moduli))
