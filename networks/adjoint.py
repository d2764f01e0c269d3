"""d dbar of a scalar network by tangents and one adjoint: half the work of carrying d dbar along.

For phi = w . f(.. f(s W_1 + b_1) ..) let v_l be the values before the activations of layer l, d_l
their first derivatives d_a v_l, and g_l = d phi / d f(v_l) the adjoint. Then, exactly,

  d_a dbar_b phi = sum_l sum_k g_lk f''(v_lk) d_a v_lk conj(d_b v_lk) + sum_k g_0k d_a dbar_b s_k,

since only activations bend. A layer acts on 1 + 2n rows forwards and on one backwards instead of on
(1 + n)^2 rows, and its reverse pass gains as much.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import jets, precision, quadratic, reverse


def scalar_mlp(
  activation: str, weights: Sequence[chex.Array], biases: Sequence[chex.Array], x: jets.Jet
) -> jets.Jet:
  """The jet of a multilayer perceptron with one output.

  Args:
    activation: a key of `networks.activations.ACTIVATIONS`.
    weights: (F_0, F_1), .., (F_L, 1).
    biases: (F_1,), .., (1,).
    x: jet of type (1, 1) of shape (..., F_0).

  Returns:
    Jet of shape (..., 1).
  """
  chex.assert_equal(weights[-1].shape[1], 1)
  n, points, features = x.num_directions, math.prod(x.shape[:-1]), x.shape[-1]
  # The value's points and each tangent's one after another on one axis, as matmuls want them.
  rows, tape = x.rows[: 1 + 2 * n].reshape(-1, features), []
  for w, b in zip(weights[:-1], biases[:-1], strict=True):
    # Split, not sliced: slices would transpose to a sum of padded arrays.
    v, d = jnp.split(precision.tall_matmul(rows, w).reshape(1 + 2 * n, points, -1), [1])
    f, f1, f2 = derivatives(activation, 2, v[0] + _spread(b, points))
    tape.append((f1, f2, d))
    rows = _activated(f, f1, d)

  output = precision.matmul(rows, weights[-1]).reshape(1 + 2 * n, points)
  output = jnp.concatenate([output[:1] + biases[-1], output[1:]])
  g = _spread(weights[-1][:, 0], points)
  mixed = 0.0
  for (f1, f2, d), w in zip(tape[::-1], weights[-2::-1], strict=True):
    mixed = mixed + _bend(g * f2, d)
    g = precision.matmul(g * f1, w.T)
  # With the points last, as they lie in an embedding's rows.
  s = jnp.moveaxis(x.mixed, -1, 0).reshape(features, n * n, points)
  mixed = mixed + _dot(g.T, s)
  return jets.Jet(jnp.concatenate([output, mixed]).reshape(-1, *x.shape[:-1], 1))


def _derivatives_forward(activation, order, v):
  fs = jets.fenced(activation, v, order + 1)
  return fs[:-1], fs[1:]


def _derivatives_backward(activation, order, slopes, cotangents):
  del activation, order
  return (sum(c * f for c, f in zip(cotangents, slopes, strict=True)),)


@reverse.by_hand(_derivatives_forward, _derivatives_backward, static=(0, 1))
def derivatives(activation, order, v):
  """Derivatives 0..order of an activation at v; the reverse pass finds one more kept for it."""
  return jets.fenced(activation, v, order)


def _spread(row, points):
  """A row (F,) for each of P points, (P, F), as a matmul: so is its transpose, a sum of points."""
  return precision.exact_matmul(jnp.ones((points, 1), row.dtype), row[None])


def _sum_features(x):
  # A matmul with ones: XLA's CPU backend does not vectorise sums over the last axis.
  return jets.matmul(x, jnp.ones((x.shape[-1], 1), x.dtype))[..., 0]


def _fold(x):
  """The sum of the quarters of the features, if there are such.

  Fused with products, it spares memory traffic.
  """
  quarter, rest = divmod(x.shape[-1], 4)
  return x if rest else sum(x[..., i * quarter : (i + 1) * quarter] for i in range(4))


def _activated_backward(residuals, g):
  f1, d = residuals
  g = g.reshape(-1, *f1.shape)
  # Row by row: sums over a leading axis are several times slower.
  return g[0], sum(g[1 + r] * d[r] for r in range(d.shape[0])), f1 * g[1:]


@reverse.by_hand(lambda f, f1, d: (_activated(f, f1, d), (f1, d)), _activated_backward)
def _activated(f, f1, d):
  """The rows f and f1 d, f and f1 (P, F), d (R, P, F) -> ((1 + R) P, F)."""
  return jnp.concatenate([f, (f1 * d).reshape(-1, f.shape[-1])])


def _dot_backward(residuals, g):
  f, d = residuals
  return sum(g[r] * d[:, r] for r in range(d.shape[1])), f[:, None] * g


@reverse.by_hand(lambda f, d: (_dot(f, d), (f, d)), _dot_backward)
def _dot(f, d):
  """sum_k f_k d_kr, f (F, P) and d (F, R, P) -> (R, P)."""
  products = (f[:, None] * d).reshape(d.shape[0], -1)
  return jets.matmul(jnp.ones((1, d.shape[0]), d.dtype), products).reshape(d.shape[1:])


def _bend_backward(residuals, g):
  c, d = residuals
  return sum(g[r, :, None] * p for r, p in enumerate(_products(d))), c * _slopes(d, g)


@reverse.by_hand(lambda c, d: (_bend(c, d), (c, d)), _bend_backward)
def _bend(c, d):
  """sum_k c_k d_ak conj(d_bk), packed: c (P, F), d (2n, P, F) -> (n * n, P)."""
  return _sum_features(jnp.stack([_fold(c * p) for p in _products(d)]))


def _products(d):
  """The n * n packed rows of d_a conj(d_b), from d (2n, P, F)."""
  x, y = jnp.split(d, 2)
  pairs = quadratic.pairs(x.shape[0])
  return (
    [x[a] * x[a] + y[a] * y[a] for a in range(x.shape[0])]
    + [x[a] * x[b] + y[a] * y[b] for a, b in pairs]
    + [y[a] * x[b] - x[a] * y[b] for a, b in pairs]
  )


def _slopes(d, g):
  """Derivatives in d (2n, P, F) of the quadratic forms with coefficients g (n * n, P)."""
  # Fenced: XLA would take the product apart, row by row of g, and repeat all that made them
  # for every feature.
  g = jax.lax.optimization_barrier(g)
  m = (_slope_matrix(d.shape[0] // 2).astype(g.dtype) @ g).reshape(2 * d.shape[:1] + g.shape[1:])
  # Without a concatenation, which would keep this from being fused with what the rows go into.
  return sum(m[:, r, :, None] * d[r] for r in range(d.shape[0]))


@functools.cache
def _slope_matrix(n):
  """(4n^2, n^2): from g to the symmetric matrix that `quadratic.slopes` multiplies d with."""
  x, y = np.split(np.eye(2 * n)[..., None], 2)
  qx, qy = quadratic.slopes(x, y, np.eye(n * n)[:, None])
  return np.stack(qx + qy).reshape(4 * n * n, n * n)
