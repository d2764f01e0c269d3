"""Which functions f keep t f invariant under the symmetries of sparse polynomials Q + t P.

The phases z_i -> exp(i a_i) z_i that keep every Q_a up to a factor are those on which the
differences of the exponents of each Q_a, which span a lattice L, vanish mod 2 pi. A function
z^A conj(z^B) / norm turns by the class of A - B mod L, its charge. Along Q_a + t P_a the phases
that turn all of P_a / Q_a alike turn t: L has the differences of exponents of P_a / Q_a too, and
t f is invariant if f has their class. Permutations of coordinates that keep the pairs (Q_a, P_a),
in any order, keep f. Dense polynomials have one class, and no permutation.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety

# Permutations that are tried at most.
_MOST = 5040


class Charges:
  """The charges of monomials z^A conj(z^B) along a direction, or of none."""

  def __init__(self, variety: Variety, direction: tuple[Polynomial, ...] | None = None):
    rows = [_exponents(q) for q in variety.polynomials]
    lattice, charge = [row - row[0] for row in rows], np.zeros(variety.num_coordinates, int)
    if direction is not None:
      rates = [_exponents(p) - row[0] for p, row in zip(direction, rows, strict=True)]
      rates = np.concatenate([rate for rate in rates if len(rate)])
      charge = rates[0]
      lattice.append(rates - charge)
    self._basis = _echelon(np.concatenate(lattice))
    self._charge = _reduce(self._basis, charge[None])

  def pairs(self, exponents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers A and B of the pairs of rows of exponents (M, N) with the charge of f."""
    size = len(exponents)
    differences = (exponents[:, None] - exponents[None]).reshape(size * size, -1)
    same = np.all(_reduce(self._basis, differences) == self._charge, axis=1)
    return np.divmod(np.flatnonzero(same), size)


def permutations(
  variety: Variety, direction: tuple[Polynomial, ...] | None = None
) -> list[tuple[int, ...]]:
  """The permutations z_i -> z_{row[i]} within each factor that keep Q + t P, 1 first."""
  identity = tuple(range(variety.num_coordinates))
  if math.prod(math.factorial(n + 1) for n in variety.ambient) > _MOST:
    return [identity]
  tables = [[_terms(q)] for q in variety.polynomials]
  for table, p in zip(tables, direction or (), strict=direction is not None):
    table.append(_terms(p))

  def moved(row):
    return {
      tuple(frozenset((tuple(e[i] for i in row), c) for e, c in terms) for terms in table)
      for table in tables
    }

  start = moved(identity)
  parts = [itertools.permutations(range(s.start, s.stop)) for s in variety.factor_slices]
  rows = (sum(row, ()) for row in itertools.product(*parts))
  return [row for row in rows if moved(row) == start]


def _terms(polynomial):
  return frozenset((e, c) for e, c in zip(polynomial.exponents, polynomial.coefficients) if c)


def _exponents(polynomial):
  """(M, N) of the terms that are there."""
  rows = [list(e) for e, _ in _terms(polynomial)]
  return np.array(sorted(rows), int).reshape(len(rows), polynomial.num_coordinates)


def _echelon(rows: np.ndarray) -> list[np.ndarray]:
  """A basis of the lattice of integer rows, each with a positive pivot right of the last one's."""
  rows, basis = [row.copy() for row in rows if row.any()], []
  for column in range(rows[0].size if rows else 0):
    while True:
      here = [row for row in rows if row[column]]
      if len(here) < 2:
        break
      pivot = min(here, key=lambda row: abs(row[column]))
      for row in here:
        if row is not pivot:
          row -= row[column] // pivot[column] * pivot
    if here:
      basis.append(here[0] * np.sign(here[0][column]))
      rows = [row for row in rows if row is not here[0] and row.any()]
  return basis


def _reduce(basis: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
  """The representatives (M, N) of rows modulo the lattice."""
  rows = rows.copy()
  for row in basis:
    column = np.flatnonzero(row)[0]
    rows -= (rows[:, column] // row[column])[:, None] * row
  return rows
