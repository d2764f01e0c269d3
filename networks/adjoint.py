"""d dbar of a scalar network by tangents and one adjoint: half the work of carrying d dbar along.

For phi = w . f(.. f(s W_1 + b_1) ..) let v_l be the values before the activations of layer l, d_l their first
derivatives d_a v_l, and g_l = d phi / d f(v_l) the adjoint. Then, exactly,

  d_a dbar_b phi = sum_l sum_k g_lk f''(v_lk) d_a v_lk conj(d_b v_lk) + sum_k g_0k d_a dbar_b s_k,

since only activations bend. A layer acts on 1 + 2n rows forwards and on one backwards instead of on
(1 + n)^2 rows, and its reverse pass gains as much.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import jets


def scalar_mlp(
    activation: str, weights: Sequence[chex.Array], biases: Sequence[chex.Array],
    x: jets.Jet) -> jets.Jet:
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
  n = x.num_directions
  rows, s = x.rows[:1 + 2 * n], x.mixed
  tape = []
  for w, b in zip(weights[:-1], biases[:-1], strict=True):
    # Split, not sliced: slices would transpose to a sum of padded arrays.
    v, d = jnp.split(jets.tall_layer_matmul(rows, w), [1])
    f, f1, f2 = derivatives(activation, 2, v[0] + _spread(b, v[0]))
    tape.append((f1, f2, d))
    rows = jnp.concatenate([f[None], _scale(f1, d)])

  output = jets.layer_matmul(rows, weights[-1])
  output = jnp.concatenate([output[:1] + biases[-1], output[1:]])
  g = _spread(weights[-1][:, 0], rows[0])
  mixed = 0.0
  for (f1, f2, d), w in zip(tape[::-1], weights[-2::-1], strict=True):
    mixed = mixed + _bend(g * f2, d)
    g = jets.layer_matmul(g * f1, w.T)
  # With the points last, as they lie in an embedding's rows.
  mixed = mixed + _dot(jnp.moveaxis(g, -1, 0), jnp.moveaxis(s, -1, 0))
  return jets.Jet(jnp.concatenate([output, mixed[..., None]]))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def derivatives(activation, order, v):
  return jets.fenced(activation, v, order)


def _derivatives_forward(activation, order, v):
  fs = jets.fenced(activation, v, order + 1)
  return fs[:-1], fs[1:]


def _derivatives_backward(activation, order, slopes, cotangents):
  del activation, order
  return (sum(c * f for c, f in zip(cotangents, slopes, strict=True)),)


derivatives.defvjp(_derivatives_forward, _derivatives_backward)


def _spread(row, like):
  """A row (F,) for every point of `like` (..., F'), as a matmul: so is its transpose, a sum over points."""
  return jets.matmul(jnp.ones(like.shape[:-1] + (1,), like.dtype), row[None])


def _sum_features(x):
  # A matmul with ones: XLA's CPU backend does not vectorise sums over the last axis.
  return jets.matmul(x, jnp.ones((x.shape[-1], 1), x.dtype))[..., 0]


def _fold(x):
  """The sum of the quarters of the features, if there are such: fused with products, it spares memory traffic."""
  quarter, rest = divmod(x.shape[-1], 4)
  return x if rest else sum(x[..., i * quarter:(i + 1) * quarter] for i in range(4))


@jax.custom_vjp
def _scale(f, d):
  """f d, f (..., F) and d (R, ..., F)."""
  return f * d


def _scale_backward(residuals, g):
  f, d = residuals
  # Row by row: sums over a leading axis are several times slower.
  return sum(g[r] * d[r] for r in range(d.shape[0])), f * g


_scale.defvjp(lambda f, d: (f * d, (f, d)), _scale_backward)


@jax.custom_vjp
def _dot(f, d):
  """sum_k f_k d_kr, f (F, ...) and d (F, R, ...) -> (R, ...)."""
  products = (f[:, None] * d).reshape(d.shape[0], -1)
  return jets.matmul(jnp.ones((1, d.shape[0]), d.dtype), products).reshape(d.shape[1:])


def _dot_backward(residuals, g):
  f, d = residuals
  return sum(g[r] * d[:, r] for r in range(d.shape[1])), f[:, None] * g


_dot.defvjp(lambda f, d: (_dot(f, d), (f, d)), _dot_backward)


@jax.custom_vjp
def _bend(c, d):
  """sum_k c_k d_ak conj(d_bk), packed: c (..., F), d (2n, ..., F) -> (n * n, ...)."""
  n = d.shape[0] // 2
  x, y = d[:n], d[n:]
  cx, cy = c * x, c * y
  products = (
      [cx[a] * x[a] + cy[a] * y[a] for a in range(n)]
      + [cx[a] * x[b] + cy[a] * y[b] for a, b in jets.pairs(n)]
      + [cy[a] * x[b] - cx[a] * y[b] for a, b in jets.pairs(n)])
  return _sum_features(jnp.stack([_fold(p) for p in products]))


def _bend_backward(residuals, g):
  c, d = residuals
  slopes = _slopes(d, g)
  return 0.5 * sum(slopes[r] * d[r] for r in range(d.shape[0])), c * slopes


_bend.defvjp(lambda c, d: (_bend(c, d), (c, d)), _bend_backward)


def _slopes(d, g):
  """Derivatives with respect to d (2n, ..., F) of the quadratic form with coefficients g (n * n, ...)."""
  m = (_slope_matrix(d.shape[0] // 2).astype(g.dtype) @ g.reshape(g.shape[0], -1)).reshape(
      2 * d.shape[:1] + g.shape[1:])
  # Without a concatenation, which would keep this from being fused with what the rows go into.
  return sum(m[:, r, ..., None] * d[r] for r in range(d.shape[0]))


@functools.cache
def _slope_matrix(n):
  """(4n^2, n^2): from g to the symmetric matrix that `jets.quadratic_slopes` multiplies d with."""
  x, y = np.split(np.eye(2 * n)[..., None], 2)
  qx, qy = jets.quadratic_slopes(x, y, np.eye(n * n)[:, None])
  return np.stack(qx + qy).reshape(4 * n * n, n * n)
