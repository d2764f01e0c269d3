"""Hermitian forms packed in real rows: [g_aa | Re g_ab (a<b) | Im g_ab (a<b)], leading axis n^2.

The pairs a < b run row by row. Packed forms keep the batch on trailing axes, where elementwise code
vectorises, and stay real, which XLA compiles far better than complex numbers.
"""

from __future__ import annotations

import itertools
import math

import chex
import jax
import jax.numpy as jnp


def pack(g: jax.Array) -> jax.Array:
  """Hermitian (..., n, n) complex -> (n*n, ...) real; the lower triangle is not read."""
  chex.assert_equal(g.shape[-2], g.shape[-1])
  pairs = _pairs(g.shape[-1])
  return jnp.stack(
    [g[..., a, a].real for a in range(g.shape[-1])]
    + [g[..., a, b].real for a, b in pairs]
    + [g[..., a, b].imag for a, b in pairs]
  )


def unpack(packed: jax.Array) -> jax.Array:
  """(n*n, ...) real -> Hermitian (..., n, n) complex."""
  entry = _entries(packed)
  n = math.isqrt(packed.shape[0])
  rows = []
  for a in range(n):
    pairs = [entry(a, b) for b in range(n)]
    rows.append(
      jnp.stack(
        [jax.lax.complex(re, jnp.zeros_like(re) if im is None else im) for re, im in pairs], axis=-1
      )
    )
  return jnp.stack(rows, axis=-2)


def determinant(packed: jax.Array) -> jax.Array:
  """Determinant of packed Hermitian forms, (n*n, ...) -> (...) real, for any n.

  Laplace expansion with shared minors, in real arithmetic: smooth everywhere, also where the form
  is indefinite, and elementwise, so that it fuses with its neighbours.
  """
  entry = _entries(packed)
  n = math.isqrt(packed.shape[0])
  minors = {(): None}
  for row in range(n):
    larger = {}
    for columns, value in minors.items():
      for c in range(n):
        if c in columns:
          continue
        new = tuple(sorted(columns + (c,)))
        term = entry(row, c) if value is None else _multiply(entry(row, c), value)
        if (row + new.index(c)) % 2:
          term = (-term[0], None if term[1] is None else -term[1])
        larger[new] = _add(larger[new], term) if new in larger else term
    minors = larger
  return minors[tuple(range(n))][0]


def least_eigenvalue(packed: jax.Array, reference: jax.Array) -> jax.Array:
  """Least lambda with det (g - lambda h) = 0, of packed Hermitian forms g, relative to h > 0.

  It does not depend on the coordinates: it is the least of g(v, v) / h(v, v).

  Args:
    packed: (n*n, ...) real, g.
    reference: (n*n, ...) real, h.

  Returns:
    (...) real.
  """
  if packed.shape[0] == 1:
    return packed[0] / reference[0]
  dagger = lambda a: jnp.swapaxes(a, -1, -2).conj()
  factor = jnp.linalg.cholesky(unpack(reference))
  solve = lambda a: jax.lax.linalg.triangular_solve(factor, a, left_side=True, lower=True)
  return jnp.linalg.eigvalsh(solve(dagger(solve(unpack(packed)))))[..., 0]


def is_positive(packed: jax.Array) -> jax.Array:
  """Whether packed Hermitian forms are positive definite (Sylvester), (n*n, ...) -> (...) bool."""
  n = math.isqrt(packed.shape[0])
  positive = packed[0] > 0
  for size in range(2, n + 1):
    # The rows of the leading size x size block: its diagonal, then real and imaginary
    # parts of its pairs.
    inside = [k for k, (_, b) in enumerate(_pairs(n)) if b < size]
    rows = [*range(size)] + [n + k for k in inside] + [n + n * (n - 1) // 2 + k for k in inside]
    positive &= determinant(jnp.stack([packed[row] for row in rows])) > 0
  return positive


def _pairs(n):
  return list(itertools.combinations(range(n), 2))


def _entries(packed):
  """entry(a, b) -> (real part, imaginary part or None where it vanishes)."""
  n = math.isqrt(packed.shape[0])
  chex.assert_equal(n * n, packed.shape[0])
  index = {pair: n + k for k, pair in enumerate(_pairs(n))}
  # Split once: each slice would transpose to a padded array.
  packed = [row[0] for row in jnp.split(packed, n * n)]
  offset = n * (n - 1) // 2

  def entry(a, b):
    if a == b:
      return packed[a], None
    row = index[min(a, b), max(a, b)]
    return packed[row], packed[row + offset] if a < b else -packed[row + offset]

  return entry


def _multiply(u, v):
  (a, b), (c, d) = u, v
  if b is None and d is None:
    return a * c, None
  if b is None:
    return a * c, a * d
  if d is None:
    return a * c, b * c
  return a * c - b * d, a * d + b * c


def _add(u, v):
  (a, b), (c, d) = u, v
  imaginary = b if d is None else d if b is None else b + d
  return a + c, imaginary
