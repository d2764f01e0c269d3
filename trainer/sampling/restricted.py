"""Systems of equations restricted to linear slices, as arrays of coefficients.

Equations of one multidegree make a group. A polynomial is given by its coefficients in the basis
sqrt(multinomial) y^e, orthonormal in Bombieri's product, which unitary maps of the factors keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
import itertools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.fence import fence
from trainer.sampling.newton import add


class Group(NamedTuple):
  """Equations of one multidegree."""

  equations: tuple[int, ...]
  degree: tuple[int, ...]  # of each factor


def groups(degrees: Sequence[Sequence[int]]) -> tuple[Group, ...]:
  """Equations by multidegree; `degrees` has m rows and K columns."""
  columns = list(zip(*degrees))
  return tuple(
    Group(tuple(a for a, other in enumerate(columns) if other == column), column)
    for column in dict.fromkeys(columns)
  )


@functools.lru_cache(maxsize=256)
def monomials(degree: tuple[int, ...], dimensions: tuple[int, ...]) -> np.ndarray:
  """Exponents (M, sum of s_i + 1) of a multidegree on P^{s_1} x ... x P^{s_m}."""
  factors = [
    [row for row in itertools.product(range(d, -1, -1), repeat=s + 1) if sum(row) == d]
    for d, s in zip(degree, dimensions)
  ]
  return np.array([sum(parts, ()) for parts in itertools.product(*factors)])


def _norms(exponents):
  """sqrt(multinomial) of each monomial, (M,), up to a common factor."""
  return np.array([math.prod(math.factorial(e) for e in row) ** -0.5 for row in exponents])


@functools.lru_cache(maxsize=256)
def interpolation(degree: tuple[int, ...], dimensions: tuple[int, ...]):
  """Nodes y (sum of s_i + 1, P), and the matrix (M, P) from values there to coefficients."""
  exponents = monomials(degree, dimensions)
  count = len(exponents) + len(exponents) // 2
  rng = np.random.default_rng(0)
  nodes = rng.normal(size=(count, exponents.shape[1], 2)) @ [1, 1j]
  start = 0
  for s in dimensions:
    nodes[:, start : start + s + 1] /= np.linalg.norm(
      nodes[:, start : start + s + 1], axis=1, keepdims=True
    )
    start += s + 1
  table = np.prod(nodes[:, None] ** exponents, axis=2) * _norms(exponents)
  return nodes.T, np.linalg.pinv(table)


class Slopes(NamedTuple):
  """Coefficients of the derivatives of a group by the coordinates of one factor."""

  factor: int
  exponents: np.ndarray  # (R, sum of s_i + 1)
  places: np.ndarray  # (s_i + 1, R) which coefficient of the polynomial
  factors: np.ndarray  # (s_i + 1, R) times what


@functools.lru_cache(maxsize=256)
def slopes(degree: tuple[int, ...], dimensions: tuple[int, ...]) -> tuple[Slopes, ...]:
  """For each factor that the group depends on."""
  exponents = monomials(degree, dimensions)
  place = {tuple(row): p for p, row in enumerate(exponents)}
  norms, tables, start = _norms(exponents), [], 0
  for i, (d, s) in enumerate(zip(degree, dimensions)):
    if d:
      lower = tuple(e - (i == k) for k, e in enumerate(degree))
      rows = monomials(lower, dimensions)
      raised = rows + np.eye(exponents.shape[1], dtype=int)[start : start + s + 1, None]
      places = np.array([[place[tuple(row)] for row in group] for group in raised])
      powers = np.stack([raised[j, :, start + j] for j in range(s + 1)])
      tables.append(Slopes(i, rows, places, powers * norms[places]))
    start += s + 1
  return tuple(tables)


def expand(coefficients: jax.Array, degree: tuple[int, ...], dimensions: tuple[int, ...]):
  """Coefficients (k, M, ...) of a group as those of its derivatives: (k, s_i + 1, R, ...) each."""
  return [
    coefficients[:, t.places] * t.factors.reshape(t.factors.shape + (1,) * (coefficients.ndim - 2))
    for t in slopes(degree, dimensions)
  ]


def evaluate(
  derivatives: Callable[[int, int, int], jax.Array],
  y: jax.Array,
  kinds: Sequence[Group],
  dimensions: tuple[int, ...],
) -> tuple[jax.Array, jax.Array]:
  """Values and gradients of a system.

  Args:
    derivatives: (group, factor's position in `slopes`, r) -> coefficients (k, s_i + 1, W) of
      monomial r.
    y: (sum of s_i + 1, W).
    kinds: the groups.
    dimensions: of the slices.

  Returns:
    (K, W) and (K, sum of s_i + 1, W).
  """
  chex.assert_axis_dimension(y, 0, sum(dimensions) + len(dimensions))
  ends = np.cumsum([s + 1 for s in dimensions])
  values, gradients = [], []
  for g, kind in enumerate(kinds):
    parts = {}
    for k, table in enumerate(slopes(kind.degree, dimensions)):
      powers = _monomials_at(table.exponents, y)
      parts[table.factor] = fence(add([derivatives(g, k, r) * p for r, p in enumerate(powers)]))
    shape = (len(kind.equations),)
    gradients.append(
      jnp.concatenate(
        [
          parts[i] if i in parts else jnp.zeros(shape + (s + 1, y.shape[1]), y.dtype)
          for i, s in enumerate(dimensions)
        ],
        axis=1,
      )
    )
    # Euler: sum_j y_j d_j Q = d Q.
    i = min(parts)
    here = y[ends[i] - dimensions[i] - 1 : ends[i]]
    values.append(
      add([part * u for part, u in zip(parts[i].swapaxes(0, 1), here)]) / kind.degree[i]
    )
  return fence((jnp.concatenate(values), jnp.concatenate(gradients)))


def _monomials_at(exponents, y):
  if np.sum(exponents[0]) == 0:
    return [jnp.ones_like(y[0])]
  rows = [
    functools.reduce(jnp.multiply, [y[i] for i, e in enumerate(row) for _ in range(e)])
    for row in exponents
  ]
  return rows if np.sum(exponents[0]) == 1 else list(fence(jnp.stack(rows)))
