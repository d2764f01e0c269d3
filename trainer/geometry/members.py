"""Members of a family, by name: Fermat-like, Dwork and random polynomials."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from trainer.errors import UserError
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


def random_member(
    ambient: Sequence[int], degrees: Sequence[Sequence[int]], seed: int) -> tuple[Polynomial, ...]:
  """A random member of the family of a configuration matrix, smooth with probability one.

  Args:
    ambient: (n_1, ..., n_m).
    degrees: the configuration matrix, one row a factor, one column a polynomial.
    seed: determines the member.

  Returns:
    One `random_polynomial` a column.
  """
  rng = np.random.default_rng(seed)
  return tuple(random_polynomial(ambient, column, rng) for column in zip(*degrees))


def fermat_member(
    ambient: Sequence[int], degrees: Sequence[Sequence[int]]) -> tuple[Polynomial, ...]:
  """The Fermat-like member of a family in one projective space.

  Q_a = sum_i lambda_i^a z_i^{q_a}, a = 0 .. K - 1, with lambda_i the N-th roots of unity: a Vandermonde
  matrix of coefficients, any K columns of which are independent, so that the variety is smooth where
  all q_a are equal, and the Fermat hypersurface where K = 1.

  Args:
    ambient: (n,).
    degrees: the configuration matrix, one row.

  Returns:
    One polynomial a column.

  Raises:
    UserError: there is more than one factor.
  """
  if len(ambient) != 1:
    raise UserError("there is no Fermat-like member in a product of projective spaces: use "
                    "member='random' or give polynomials")
  n = ambient[0] + 1
  return tuple(
      Polynomial(tuple(tuple(q * (i == j) for i in range(n)) for j in range(n)),
                 tuple(complex(np.exp(2j * np.pi * a * j / n)) for j in range(n)))
      for a, q in enumerate(degrees[0]))
