"""A system of every kind whose solutions are known: where homotopies start."""

from __future__ import annotations

from collections.abc import Sequence
import functools
import itertools
from typing import NamedTuple

import numpy as np

from trainer.sampling import restricted

_TRIALS = 30


class Start(NamedTuple):
  """Equations that are products of linear forms, and all their solutions."""

  coefficients: tuple[np.ndarray, ...]  # (k, M) complex for each group, of norm 1
  solutions: np.ndarray  # (sum of s_i + 1, S) complex, of norm 1 in each factor


@functools.lru_cache(maxsize=64)
def start_system(degrees: tuple[tuple[int, ...], ...], dimensions: tuple[int, ...]) -> Start:
  """A well-conditioned product of linear forms, the best of some random ones.

  A solution is a choice of one form of every equation, s_i of them in factor i.

  Args:
    degrees: configuration matrix, m rows and K columns.
    dimensions: (s_1, ..., s_m).
  """
  rng, best, least = np.random.default_rng(0), None, -1.0
  for forms in _candidates(degrees, dimensions, rng):
    system = _product(forms, degrees, dimensions)
    condition = _condition(system, degrees, dimensions)
    if condition > least:
      best, least = system, condition
  return best


def _candidates(degrees, dimensions, rng):
  """Forms [i][a] (d_ia, s_i + 1)."""
  if len(dimensions) == 1:
    # y_a^d - y_0^d: no random ones come close.
    eye = np.eye(dimensions[0] + 1)
    yield [
      [
        eye[a + 1] - np.exp(2j * np.pi * np.arange(d) / d)[:, None] * eye[0]
        for a, d in enumerate(degrees[0])
      ]
    ]
    return
  for _ in range(_TRIALS):
    yield [
      [rng.normal(size=(d, s + 1, 2)) @ [1, 1j] for d in row] for row, s in zip(degrees, dimensions)
    ]


def _product(forms, degrees, dimensions):
  solutions = []
  for factors in itertools.product(range(len(dimensions)), repeat=len(degrees[0])):
    if any(factors.count(i) != s for i, s in enumerate(dimensions)):
      continue
    for which in itertools.product(*(range(degrees[i][a]) for a, i in enumerate(factors))):
      parts = []
      for i, s in enumerate(dimensions):
        rows = [forms[i][a][j] for a, (k, j) in enumerate(zip(factors, which)) if k == i]
        rows = np.array(rows).reshape(s, s + 1)
        parts.append(np.linalg.svd(rows)[2][s].conj())
      solutions.append(np.concatenate(parts))
  coefficients, first = [], np.cumsum([0] + [s + 1 for s in dimensions])
  for equations, degree in restricted.groups(degrees):
    nodes, matrix = restricted.interpolation(degree, dimensions)
    values = [
      np.prod(
        [
          form @ nodes[first[i] : first[i + 1]]
          for i in range(len(dimensions))
          for form in forms[i][a]
        ],
        axis=0,
      )
      for a in equations
    ]
    rows = np.stack(values) @ matrix.T
    coefficients.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
  return Start(tuple(coefficients), np.array(solutions).T)


def _condition(system, degrees: Sequence, dimensions):
  """The least singular value of the equations' gradients at any solution."""
  y, gradients = system.solutions, []
  for (_, degree), c in zip(restricted.groups(degrees), system.coefficients):
    rows = {t.factor: t for t in restricted.slopes(degree, dimensions)}
    expanded = dict(zip(rows, restricted.expand(c, degree, dimensions)))
    gradients.append(
      np.concatenate(
        [
          expanded[i] @ np.prod(y.T[:, None] ** rows[i].exponents, axis=2).T
          if i in rows
          else np.zeros((len(c), s + 1, y.shape[1]))
          for i, s in enumerate(dimensions)
        ],
        axis=1,
      )
    )
  rows = np.concatenate(gradients).transpose(2, 0, 1)
  return np.min(np.linalg.svd(rows, compute_uv=False)[:, -1])
