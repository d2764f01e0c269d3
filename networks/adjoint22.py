"""All derivatives of type (2, 2) of a scalar network, by second derivatives and an adjoint.

Wigner's 2n + 1 rule: a chain of layers, forwards up to order p and adjoint up to order q, gives the
output's derivatives up to order p + q + 1. Let v be the values before the activations of a layer,
h = d phi / d f(v) their adjoint with its first derivatives h_a, and

  P_ac = v_a v_c,  O_ab = v_a conj(v_b),
  Q_ac = h_a v_c + h_c v_a,  R_ab = h_a conj(v_b) + v_a conj(h_b).

With p = 2 and q = 1 the third and fourth derivatives of phi are exactly sums over layers
and features of

  third:  (h f''' P_ac + h f'' v_ac) conj(v_b) + h f'' (v_{a bbar} v_c + v_{c bbar} v_a)
  fourth: U_ac conj(v_bd) + W_ac conj(P_bd) + X_ac conj(Q_bd) + (S_{ab, cd} + S_{ad, cb}),
          U = h f'' v_ac + h f''' P + f'' Q,  W = h f'''' P + h f''' v_ac + f''' Q,
          X = f''' P + f'' v_ac,
          S_{ab, cd} = Y_ab v_{c dbar} + v_{a bbar} Y_cd,
          Y = h f'' v_{a bbar} / 2 + h f''' O + f'' R,

and of the embedding's own third and fourth derivatives times the adjoint at the input.
A layer acts on 1 + 2n + n^2 + n(n + 1) rows forwards and on 1 + 2n backwards instead of on
(1 + n + n(n + 1)/2)^2; the sums over features are small matrix products, and the index gymnastics
on their results are one constant matrix.

Rows here come after the points, (B, R, F): a point's products of rows are then
matrices as they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import adjoint, index_maps, jets, jets22, quadratic, reverse
from networks.products22 import Features


def scalar_mlp(
  activation: str, weights: Sequence[chex.Array], biases: Sequence[chex.Array], x: jets22.Jet22
) -> jets22.Jet22:
  """The jet of type (2, 2) of a multilayer perceptron with one output.

  Args:
    activation: a key of `networks.activations.ACTIVATIONS`.
    weights: (F_0, F_1), .., (F_L, 1).
    biases: (F_1,), .., (1,).
    x: jet of type (2, 2) of shape (..., F_0).

  Returns:
    Jet22 of shape (..., 1).
  """
  n = x.num_directions
  low = (1 + n) ** 2 + n * (n + 1)  # rows of order two or less
  split = n * n * (n + 1)
  s = jnp.moveaxis(x.rows.reshape(x.rows.shape[0], -1, x.shape[-1]), 0, 1)

  def high(w):
    sums = jnp.moveaxis(_products(w, s[:, low:]), 2, 0)
    return sums[:split], sums[split:, :, 0]

  rows = scalar_rows(activation, weights, biases, Features(n, s[:, :low], high))
  return jets22.Jet22(rows.reshape(x.rows.shape[:-1] + (1,)))


def scalar_rows(
  activation: str, weights: Sequence[chex.Array], biases: Sequence[chex.Array], x: Features
) -> chex.Array:
  """The rows (R, P) of its jet, from what it reads of its features.

  Args:
    activation: a key of `networks.activations.ACTIVATIONS`.
    weights: (F_0, F_1), .., (F_L, 1).
    biases: (F_1,), .., (1,).
    x: F_0 features at P points.
  """
  chex.assert_equal(weights[-1].shape[1], 1)
  n, rows, tape = x.num_directions, x.low, []
  points = len(rows)
  for w, b in zip(weights[:-1], biases[:-1], strict=True):
    rows = jets.layer_matmul(rows, w)
    layer = _Layer(n, adjoint.derivatives(activation, 4, rows[:, 0] + b), rows)
    rows = layer.forward()
    tape.append(layer)
  output = jets.layer_matmul(rows, weights[-1])[..., 0]
  output = jnp.concatenate([output[:, :1] + biases[-1], output[:, 1:]], axis=1)

  h = jnp.broadcast_to(weights[-1][:, 0], (points, 1, weights[-1].shape[0]))
  h = jnp.concatenate([h, jnp.zeros((points, 2 * n, h.shape[-1]), h.dtype)], axis=1)
  third, fourth = 0.0, 0.0
  for layer, w in zip(tape[::-1], weights[-2::-1], strict=True):
    of_third, of_fourth = layer.products(h)
    third, fourth = third + of_third, fourth + of_fourth
    h = jets.layer_matmul(layer.backward(h), w.T)
  to_third, to_fourth, crossed_to_fourth = _index_maps(n)
  embedded, of_fourth = x.high(h)
  third = index_maps.apply(to_third, third.T) + embedded[..., 0]
  slopes = jnp.moveaxis(embedded[..., 1:], -1, 0)
  fourth = (
    index_maps.apply(to_fourth, fourth.T)
    + of_fourth
    + index_maps.apply(crossed_to_fourth, slopes.reshape(-1, points))
  )
  return jnp.concatenate([output.T, third, fourth])


class _Layer:
  """One activation: what its two passes share.

  Arrays are (B, R, F), their rows packed as in networks.jets22.
  """

  def __init__(self, n: int, fs: Sequence[chex.Array], rows: chex.Array):
    """Takes n, the derivatives 0 to 4 of f at v, (B, F), and v's rows up to second order."""
    self.fs = [f[:, None] for f in fs]
    # Split, not sliced: slices would transpose to a sum of padded arrays.
    _, self.v1, self.v11, self.v2 = jnp.split(rows, [1, 1 + 2 * n, (1 + n) ** 2], axis=1)
    # Read by several kernels each: without the fence XLA computes them again for every one.
    self.outer, self.square = jax.lax.optimization_barrier(
      (0.5 * _mixed(self.v1, self.v1), 0.5 * _pure(self.v1, self.v1))
    )

  def forward(self) -> chex.Array:
    """Rows of f(v) up to second order."""
    f, f1, f2 = self.fs[:3]
    return jnp.concatenate(
      [f, f1 * self.v1, f1 * self.v11 + f2 * self.outer, f1 * self.v2 + f2 * self.square], axis=1
    )

  def backward(self, h: chex.Array) -> chex.Array:
    """Adjoint of v and its first derivatives, from those of f(v), (B, 1 + 2n, F)."""
    _, f1, f2 = self.fs[:3]
    return jnp.concatenate([f1 * h[:, :1], f1 * h[:, 1:] + f2 * h[:, :1] * self.v1], axis=1)

  def products(self, h: chex.Array) -> tuple[chex.Array, chex.Array]:
    """Sums over features that `_index_maps` turns into third and fourth derivatives of phi."""
    _, _, f2, f3, f4 = self.fs
    h, h1 = h[:, :1], h[:, 1:]
    hf2, hf3 = h * f2, h * f3
    q, r = _pure(h1, self.v1), _mixed(h1, self.v1)
    of_third, bent = hf3 * self.square + hf2 * self.v2, hf2 * self.v11
    u = of_third + f2 * q
    w = h * f4 * self.square + hf3 * self.v2 + f3 * q
    x = f3 * self.square + f2 * self.v2
    y = 0.5 * bent + hf3 * self.outer + f2 * r
    pure = _products(
      jnp.concatenate([u, w, x], axis=-1), jnp.concatenate([self.v2, self.square, q], axis=-1)
    )
    return (
      _flat(_products(jnp.concatenate([of_third, bent], axis=1), self.v1)),
      jnp.concatenate([_flat(pure), _flat(_products(y, self.v11))], axis=1),
    )


def _products(a, b):
  """sum_k a_rk b_sk at every point: (B, R, F), (B, S, F) -> (B, R, S)."""
  return jax.lax.dot_general(
    a, b, (((2,), (2,)), ((0,), (0,))), precision=jax.lax.Precision.HIGHEST
  )


def _flat(a):
  return a.reshape(a.shape[0], -1)


def _pure_slopes(d, g):
  """Cotangent of one factor of `_pure` from the other one and the result's."""
  n, m = d.shape[1] // 2, g.shape[1] // 2
  d, g, pair = _list(d), _list(g), index_maps.pair_index(n)
  x, y = d[:n], d[n:]
  entry = lambda a, c: (
    (2.0 * g[pair[a, a]], 2.0 * g[m + pair[a, a]]) if a == c else (g[pair[a, c]], g[m + pair[a, c]])
  )
  re = [sum(re * x[c] + im * y[c] for c in range(n) for re, im in [entry(a, c)]) for a in range(n)]
  im = [sum(im * x[c] - re * y[c] for c in range(n) for re, im in [entry(a, c)]) for a in range(n)]
  return jnp.stack(re + im, axis=1)


@reverse.by_hand(
  lambda a, b: (_pure(a, b), (a, b)), lambda ab, g: (_pure_slopes(ab[1], g), _pure_slopes(ab[0], g))
)
def _pure(a, b):
  """Packed a_a b_c + a_c b_a over a <= c: (B, 2n, F) each -> (B, n(n + 1), F)."""
  (x, y), (s, t) = jnp.split(a, 2, axis=1), jnp.split(b, 2, axis=1)
  each = lambda term: [term(slice(a, a + 1), slice(a, None)) for a in range(x.shape[1])]
  return jnp.concatenate(
    each(lambda a, c: x[:, a] * s[:, c] - y[:, a] * t[:, c] + x[:, c] * s[:, a] - y[:, c] * t[:, a])
    + each(
      lambda a, c: x[:, a] * t[:, c] + y[:, a] * s[:, c] + x[:, c] * t[:, a] + y[:, c] * s[:, a]
    ),
    axis=1,
  )


def _mixed_slopes(d, g):
  """Cotangent of one factor of `_mixed` from the other one and the result's."""
  d, g = _list(d), _list(g)
  qx, qy = quadratic.slopes(d[: len(d) // 2], d[len(d) // 2 :], g)
  return jnp.stack(qx + qy, axis=1)


@reverse.by_hand(
  lambda a, b: (_mixed(a, b), (a, b)),
  lambda ab, g: (_mixed_slopes(ab[1], g), _mixed_slopes(ab[0], g)),
)
def _mixed(a, b):
  """Packed a_a conj(b_b) + b_a conj(a_b): (B, 2n, F) each -> (B, n * n, F)."""
  (x, y), (s, t) = jnp.split(a, 2, axis=1), jnp.split(b, 2, axis=1)
  each = lambda term: [term(slice(a, a + 1), slice(a + 1, None)) for a in range(x.shape[1] - 1)]
  return jnp.concatenate(
    [2.0 * (x * s + y * t)]
    + each(
      lambda a, b: x[:, a] * s[:, b] + y[:, a] * t[:, b] + s[:, a] * x[:, b] + t[:, a] * y[:, b]
    )
    + each(
      lambda a, b: y[:, a] * s[:, b] - x[:, a] * t[:, b] + t[:, a] * x[:, b] - s[:, a] * y[:, b]
    ),
    axis=1,
  )


def _list(rows):
  return [rows[:, r] for r in range(rows.shape[1])]


@functools.cache
def _index_maps(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Constant matrices from flattened sums of products to packed third and fourth derivatives."""
  a, c = np.array(index_maps.symmetric_pairs(n)).T
  m = len(a)
  a_p, c_p, b_q, d_q = a[:, None], c[:, None], a[None], c[None]
  p, q, b = np.arange(m)[:, None], np.arange(m)[None], np.arange(n)[None]
  first, pure, form = index_maps.vector(n), index_maps.vector(m), index_maps.form(n)
  third = index_maps.vector(m * n).reshape(m, n, -1)

  def product(x, y):
    """Coefficients of the products of rows of the left and the right factor, (.., R * S)."""
    out = x[..., :, None] * y[..., None, :]
    return out.reshape(*out.shape[:-2], -1)

  # Left: the rows of the pairs, then those of the form; right: d.
  to_third = np.concatenate(
    [
      product(pure[p], first[b].conj()),
      product(form[a_p, b], first[c_p]) + product(form[c_p, b], first[a_p]),
    ],
    axis=-1,
  )
  of_forms = sum(
    product(form[a, b], form[c, d])
    for a, b, c, d in (
      (a_p, b_q, c_p, d_q),
      (c_p, d_q, a_p, b_q),
      (a_p, d_q, c_p, b_q),
      (c_p, b_q, a_p, d_q),
    )
  )
  to_fourth = np.concatenate([product(pure[p], pure[q].conj()), of_forms], axis=-1)
  crossed = (
    product(first[a_p], third[q, c_p].conj())
    + product(first[c_p], third[q, a_p].conj())
    + product(first[b_q].conj(), third[p, d_q])
    + product(first[d_q].conj(), third[p, b_q])
  )
  return (
    index_maps.pack_vector(to_third.reshape(m * n, -1)),
    index_maps.pack_form(to_fourth),
    index_maps.pack_form(crossed),
  )
