"""Determinant and inverse of small matrices, unrolled: no LAPACK calls, fused and batched by XLA.

Matrices lie on the two leading axes, batches behind them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def determinant(matrix: jax.Array) -> jax.Array:
  """Determinant by Laplace expansion with shared minors; (k, k, ...) -> (...), 2^k k products."""
  k = matrix.shape[0]
  return _minors(matrix, range(k), k)[tuple(range(k))]


def inverse(matrix: jax.Array) -> jax.Array:
  """Inverse by cofactors; (k, k, ...) -> (k, k, ...). Meant for k of a few, well conditioned."""
  k = matrix.shape[0]
  if k == 1:
    return 1 / matrix
  columns = tuple(range(k))
  adjugate = []  # adjugate[j][i] = (-1)^{i+j} det(matrix without row i and column j)
  for i in range(k):
    minors = _minors(matrix, [r for r in range(k) if r != i], k)
    adjugate.append([(-1) ** (i + j) * minors[columns[:j] + columns[j + 1 :]] for j in range(k)])
  det = sum(matrix[0, j] * adjugate[0][j] for j in range(k))
  # Transposed while it is stacked.
  return jnp.stack([jnp.stack(column) for column in zip(*adjugate)]) / det


def unitary_frame(matrix: jax.Array) -> jax.Array:
  """L^{-1} of Cholesky's matrix = L L^*; (k, k, ...) Hermitian -> (k, k, ...), nan unless positive.

  LAPACK's of several batches at once wait for each other forever on two cores (jaxlib 0.10).
  """
  k = matrix.shape[0]
  lower, made = {}, {}
  for j in range(k):
    square = matrix[j, j].real - sum(jnp.abs(lower[j, c]) ** 2 for c in range(j))
    scale = 1 / jnp.sqrt(square)
    for i in range(j + 1, k):
      rest = matrix[i, j] - sum(lower[i, c] * lower[j, c].conj() for c in range(j))
      lower[i, j] = rest * scale
    made[j, j] = scale.astype(matrix.dtype)
    for c in range(j):
      made[j, c] = -scale * sum(lower[j, r] * made[r, c] for r in range(c, j))
  zero = jnp.zeros_like(matrix[0, 0])
  return jnp.stack([jnp.stack([made.get((i, j), zero) for j in range(k)]) for i in range(k)])


def _minors(matrix, rows, k):
  """Determinants of the given rows with every subset of as many columns, {columns: value}."""
  minors = {(): 1}
  for size, r in enumerate(rows):
    larger = {}
    for columns, value in minors.items():
      for c in range(k):
        if c not in columns:
          new = tuple(sorted(columns + (c,)))
          sign = (-1) ** (size + new.index(c))
          larger[new] = larger.get(new, 0) + sign * matrix[r, c] * value
    minors = larger
  return minors
