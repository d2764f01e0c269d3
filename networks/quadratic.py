"""Hermitian forms of first derivatives, in rows packed [h_aa | Re h_ab (a<b) | Im h_ab (a<b)].

What bends a jet: f'' of an activation multiplies d_a conj(d_b), and its reverse pass a quadratic
form in d = x + iy.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools

import chex
import jax.numpy as jnp


def pairs(n: int) -> list[tuple[int, int]]:
  """The pairs a < b, row by row."""
  return list(itertools.combinations(range(n), 2))


def outer(x: chex.Array, y: chex.Array, s: chex.Array, t: chex.Array) -> chex.Array:
  """Packed rows of the part of d_a conj(e_b) that is read, d = x + iy, e = s + it."""
  n = x.shape[0]
  return jnp.concatenate(
    [x * s + y * t]
    + [(x[a] * s[b] + y[a] * t[b])[None] for a, b in pairs(n)]
    + [(y[a] * s[b] - x[a] * t[b])[None] for a, b in pairs(n)]
  )


def slopes(
  x: Sequence[chex.Array], y: Sequence[chex.Array], g: Sequence[chex.Array]
) -> tuple[list[chex.Array], list[chex.Array]]:
  """Derivatives of the quadratic form that packed rows are the coefficients of.

  q = sum_a g_aa |d_a|^2 + sum_{a<b} [g^R_ab Re(d_a conj d_b) + g^I_ab Im(d_a conj d_b)].

  Args:
    x: n rows (...) real, an array or a list, with y the parts of d = x + iy.
    y: n rows.
    g: n * n rows, packed like mixed derivatives.

  Returns:
    Lists of dq/dx_a and of dq/dy_a.
  """
  n = len(x)
  qx = [2.0 * g[a] * x[a] for a in range(n)]
  qy = [2.0 * g[a] * y[a] for a in range(n)]
  for k, (a, b) in enumerate(pairs(n)):
    re, im = g[n + k], g[n + n * (n - 1) // 2 + k]
    qx[a] += re * x[b] - im * y[b]
    qx[b] += re * x[a] + im * y[a]
    qy[a] += re * y[b] + im * x[b]
    qy[b] += re * y[a] - im * x[a]
  return qx, qy
