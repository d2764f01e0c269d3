"""Polynomials of many terms as arrays: all monomials level by level, then one contraction.

A monomial of degree k is one of degree k - 1 times a coordinate, so that a level is two gathers and
a product. Written out term by term a polynomial is faster to evaluate but takes long to compile:
what is compiled here does not grow with the number of terms.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

Row = tuple[int, ...]
# Exponents, M rows of N, and M coefficients.
Terms = tuple[tuple[Row, ...], tuple[complex, ...]]


class _Level(NamedTuple):
  """The L monomials of one degree that are needed."""

  parents: np.ndarray  # (L,) which of the level before
  coordinates: np.ndarray  # (L,) times which z_i
  coefficients: np.ndarray  # (P, L), of each polynomial


def evaluate(polynomials: tuple[Terms, ...], z: np.ndarray | jax.Array) -> np.ndarray | jax.Array:
  """The values of polynomials at the same points: sum_m c_pm z^m.

  Args:
    polynomials: P tables of terms.
    z: (N, ...) real or complex, coordinates on axis 0, numpy or jax.

  Returns:
    (P, ...), complex where z or a coefficient is, in the precision of z.
  """
  constants, levels = _levels(polynomials)
  for exponents, _ in polynomials:
    if exponents:
      chex.assert_axis_dimension(z, 0, len(exponents[0]))
  product = np.tensordot
  if isinstance(z, jax.Array):
    product = functools.partial(jnp.tensordot, precision="highest")
  monomials = 1 + 0 * z[:1]
  values = _like(constants, z).reshape(-1, *(1,) * (z.ndim - 1)) * monomials
  for parents, coordinates, coefficients in levels:
    monomials = monomials[parents] * z[coordinates]
    if coefficients.any():
      values = values + product(_like(coefficients, z), monomials, 1)
  return values


@functools.lru_cache(maxsize=256)
def _levels(polynomials: tuple[Terms, ...]) -> tuple[np.ndarray, tuple[_Level, ...]]:
  """Constant terms (P,), and the levels of degree 1, 2, .. that the other terms need."""
  degrees: dict[int, set[Row]] = {}
  for exponents, _ in polynomials:
    for row in exponents:
      degrees.setdefault(sum(row), set()).add(row)
  for degree in range(max(degrees, default=0), 1, -1):
    below = {_parent(row)[0] for row in degrees.get(degree, ())}
    degrees[degree - 1] = degrees.get(degree - 1, set()) | below
  places = {
    row: (degree, place)
    for degree, rows in degrees.items()
    for place, row in enumerate(sorted(rows, reverse=True))
  }
  tables = {k: np.zeros((len(polynomials), len(rows)), complex) for k, rows in degrees.items()}
  for p, (exponents, coefficients) in enumerate(polynomials):
    for row, c in zip(exponents, coefficients, strict=True):
      degree, place = places[row]
      tables[degree][p, place] += c
  tables = {k: table if table.imag.any() else table.real for k, table in tables.items()}
  levels = []
  for degree in range(1, max(degrees, default=0) + 1):
    parents = [_parent(row) for row in sorted(degrees[degree], reverse=True)]
    above = [places[row][1] if degree > 1 else 0 for row, _ in parents]
    levels.append(_Level(np.array(above), np.array([i for _, i in parents]), tables[degree]))
  constants = tables[0][:, 0] if 0 in tables else np.zeros(len(polynomials))
  return constants, tuple(levels)


def _parent(row: Row) -> tuple[Row, int]:
  """The monomial with one factor less of its last coordinate, and which that is."""
  i = max(k for k, e in enumerate(row) if e)
  return row[:i] + (row[i] - 1,) + row[i + 1 :], i


def _like(coefficients: np.ndarray, z) -> np.ndarray:
  """In the precision of z; real ones stay real."""
  real = np.finfo(z.dtype).dtype
  return coefficients.astype(
    np.result_type(real, np.complex64) if coefficients.dtype.kind == "c" else real
  )
