"""Common zeros of two plane curves, by a resultant. The batch is the trailing axis throughout."""

from __future__ import annotations

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.fence import fence
from trainer.geometry.small import determinant
from trainer.sampling import roots

# Rounding in resultants moves close roots by up to 1e-7: waiting for less would never end.
_TOLERANCE = 1e-5


def unity(degree: int) -> np.ndarray:
  """The roots of unity of order degree + 1: where polynomials of that degree are interpolated."""
  return np.exp(2j * math.pi * np.arange(degree + 1) / (degree + 1))


def coefficients(values: jax.Array) -> jax.Array:
  """Coefficients in x and y of polynomials of degree d given at x, y in unity(d).

  Args:
    values: (d + 1, d + 1, B) complex128, x along the first axis.

  Returns:
    (d + 1, d + 1, B), [i, j] that of x^i y^j.
  """
  fourier = _fourier(values.shape[0] - 1)
  return fence(jnp.einsum("ij,kl,jlb->ikb", fourier, fourier, values))


def common_zeros(f: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
  """All common zeros of two plane curves that have no common zero at infinity.

  Bezout's matrix of f and g as polynomials in y,
  b_ij = sum_k f_{j+k+1} g_{i-k} - f_{i-k} g_{j+k+1}, has the null vector (1, y, y^2, ..) where they
  have a common zero y. Its determinant is a polynomial in x of degree d e, the product of their
  degrees, which is found by interpolation and solved; adjugates at its roots hold y.

  Args:
    f: (d + 1, d + 1, B) complex128, [i, j] the coefficient of x^i y^j, zero for i + j > d.
    g: (e + 1, e + 1, B).

  Returns:
    x and y, (d e, B) complex128. Where roots lie close together they are rough: polish them.
  """
  chex.assert_rank([f, g], 3)
  count = (f.shape[0] - 1) * (g.shape[0] - 1)
  nodes = unity(count)
  at_nodes = [jnp.einsum("mi,ijb->jmb", nodes[:, None] ** np.arange(c.shape[0]), c) for c in (f, g)]
  values = fence(determinant(_bezout(*at_nodes)))
  x = roots.all_roots(fence(jnp.einsum("ij,jb->ib", _fourier(count), values)), _TOLERANCE)
  matrix = fence(_bezout(_in_y(f, x), _in_y(g, x)))
  # Every row of the adjugate is a multiple of (1, y, ..): y by least squares over the rows.
  first, second = (_cofactors(matrix, column) for column in (0, 1))
  y = jnp.sum(first.conj() * second, axis=0) / jnp.sum(roots.square(first), axis=0)
  return x, y


def _fourier(degree):
  k = np.arange(degree + 1)
  return np.exp(-2j * math.pi * np.outer(k, k) / (degree + 1)) / (degree + 1)


def _in_y(f, x):
  """The coefficients of y^j at x (M, B): (d + 1, M, B)."""
  value = f[-1][:, None]
  for c in f[-2::-1]:
    value = value * x + c[:, None]
  return value


def _bezout(f, g):
  """Bezout's matrix (m, m, ...) of polynomials with coefficients (d + 1, ...) and (e + 1, ...)."""
  m = max(f.shape[0], g.shape[0]) - 1
  f, g = (list(c) + [jnp.zeros_like(c[0])] * (m + 1 - c.shape[0]) for c in (f, g))
  minor = lambda i, j: f[j] * g[i] - f[i] * g[j]
  entry = lambda i, j: sum(minor(i - k, j + k + 1) for k in range(min(i, m - 1 - j) + 1))
  return jnp.stack([jnp.stack([entry(min(i, j), max(i, j)) for j in range(m)]) for i in range(m)])


def _cofactors(matrix, column):
  """(-1)^{i+j} det without row i and column j, for all i: (m, ...)."""
  m = matrix.shape[0]
  without = np.delete(np.arange(m), column)
  return jnp.stack(
    [
      (-1) ** (i + column) * determinant(matrix[np.delete(np.arange(m), i)][:, without])
      for i in range(m)
    ]
  )
