"""Complex jets of type (1, 1): a real function with its d_a and d_a dbar_b derivatives.

A jet carries, through a network, a real function v of a point together with its first derivatives
d_a v = x_a + i y_a and its mixed second derivatives h_ab = d_a dbar_b v along n holomorphic local
directions, in (1 + n)^2 real rows on the leading axis:

  [v | x_1..x_n | y_1..y_n | h_aa | Re h_ab (a<b) | Im h_ab (a<b)]

A linear layer acts on all rows at once; f sends v to f(v), d to f' d and h_ab to
f' h_ab + f'' d_a conj(d_b). One forward pass of jets therefore gives d dbar of a network
at the price of (1 + n)^2 evaluations made of tall matmuls, and its reverse pass gives the
gradient of any loss on it.

Shape letters: R rows, n complex directions, N complex ambient coordinates, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import math

import chex
import jax
import jax.numpy as jnp

from networks import activations, precision, quadratic, reverse


def register(cls: type) -> type:
  """Makes a class of jets a pytree whose only leaf is its rows."""
  return jax.tree_util.register_dataclass(
    dataclasses.dataclass(frozen=True, eq=False)(cls), data_fields=["rows"], meta_fields=[]
  )


@register
class Jet:
  """Jets of F real functions.

  Attributes:
    rows: (R, ..., F) real, R = (1 + n)^2, packed as in the module's docstring.
  """

  rows: chex.Array

  # The number of derivatives of an activation that `compose` needs.
  order = 2
  # jax arrays leave the binary operators with a jet on the right to the jet.
  __array_priority__ = 1000

  @property
  def num_directions(self) -> int:
    """n, the number of complex local directions."""
    n = math.isqrt(self.rows.shape[0]) - 1
    chex.assert_equal((1 + n) ** 2, self.rows.shape[0])
    return n

  @property
  def value(self) -> chex.Array:
    """v, (..., F)."""
    return self.rows[0]

  @property
  def mixed(self) -> chex.Array:
    """h = d_a dbar_b v, (n * n, ..., F): [h_aa | Re h_ab (a<b) | Im h_ab (a<b)]."""
    return self.rows[1 + 2 * self.num_directions :]

  @property
  def shape(self) -> tuple[int, ...]:
    """Shape of the value."""
    return self.rows.shape[1:]

  def map_rows(self, f: Callable[[chex.Array], chex.Array]) -> Jet:
    """A jet of the same type from a map that is linear and acts on all rows alike."""
    return type(self)(f(self.rows))

  @staticmethod
  def compose(fs: Sequence[chex.Array], rows: chex.Array) -> chex.Array:
    """Rows of f(v) from fs = (f, f', f'') at the value (..., F) and v's rows (row 0 unread)."""
    f, f1, f2 = fs[:3]
    n = math.isqrt(rows.shape[0]) - 1
    x, y, mixed = rows[1 : 1 + n], rows[1 + n : 1 + 2 * n], rows[1 + 2 * n :]
    return jnp.concatenate(
      [f[None], f1 * rows[1 : 1 + 2 * n], f1 * mixed + f2 * quadratic.outer(x, y, x, y)]
    )

  @staticmethod
  def compose_transpose(fs: Sequence[chex.Array], rows: chex.Array, g: chex.Array) -> chex.Array:
    """Cotangent of the rows of v, the value's included, from the cotangent g of those of f(v).

    With q as in `quadratic.slopes`, of the g of the rows h: row v gets
    f' g_v + f'' sum_{other rows} g.row + f''' q, rows x and y get f' g + f'' dq/d(x, y),
    rows h f' g.
    """
    _, f1, f2, f3 = fs
    n = math.isqrt(rows.shape[0]) - 1
    x, y = rows[1 : 1 + n], rows[1 + n : 1 + 2 * n]
    mixed = g[1 + 2 * n :]
    qx, qy = quadratic.slopes(x, y, mixed)
    q = 0.5 * sum(x[a] * qx[a] + y[a] * qy[a] for a in range(n))
    inner = sum(g[r] * rows[r] for r in range(1, rows.shape[0]))
    return jnp.concatenate(
      [
        (f1 * g[0] + f2 * inner + f3 * q)[None],
        f1 * g[1 : 1 + 2 * n] + f2 * jnp.stack(qx + qy),
        f1 * mixed,
      ]
    )

  @staticmethod
  def multiply(u: chex.Array, v: chex.Array) -> chex.Array:
    """Rows of a product of two real functions (Leibniz)."""
    n = math.isqrt(u.shape[0]) - 1
    ux, uy, vx, vy = u[1 : 1 + n], u[1 + n : 1 + 2 * n], v[1 : 1 + n], v[1 + n : 1 + 2 * n]
    plain = u[:1] * v + v[:1] * u
    return jnp.concatenate(
      [
        u[:1] * v[:1],
        plain[1 : 1 + 2 * n],
        plain[1 + 2 * n :] + quadratic.outer(ux, uy, vx, vy) + quadratic.outer(vx, vy, ux, uy),
      ]
    )

  def __add__(self, other: Jet | float) -> Jet:
    if isinstance(other, Jet):
      return self.map_rows(lambda rows: rows + other.rows)
    return self.map_rows(lambda rows: jnp.concatenate([rows[:1] + other, rows[1:]]))

  def __mul__(self, other: Jet | float) -> Jet:
    if isinstance(other, Jet):
      return self.map_rows(lambda rows: self.multiply(rows, other.rows))
    return self.map_rows(lambda rows: rows * other)

  def __neg__(self) -> Jet:
    return self.map_rows(jnp.negative)

  def __sub__(self, other: Jet | float) -> Jet:
    return self + -other

  def __rsub__(self, other: float) -> Jet:
    return -self + other

  def __getitem__(self, index) -> Jet:
    """Indexes the value's axes."""
    index = index if isinstance(index, tuple) else (index,)
    return self.map_rows(lambda rows: rows[(slice(None), *index)])

  __radd__ = __add__
  __rmul__ = __mul__


def from_coordinates(x: chex.Array, pullback: chex.Array) -> Jet:
  """The jet of the real ambient coordinates [Re z, Im z] of points z(x^1, .., x^n).

  d_a Re z_i = J_ai / 2, d_a Im z_i = J_ai / (2i), and d_a dbar_b of both vanish.

  Args:
    x: (..., 2N) real.
    pullback: (..., n, N) complex, J[a, i] = dz^i/dx^a.

  Returns:
    Jet of shape (..., 2N).
  """
  n, num_coordinates = pullback.shape[-2:]
  chex.assert_shape(x, pullback.shape[:-2] + (2 * num_coordinates,))
  j = jnp.moveaxis(pullback, -2, 0)
  re, im = 0.5 * j.real.astype(x.dtype), 0.5 * j.imag.astype(x.dtype)
  return Jet(
    jnp.concatenate(
      [
        x[None],
        jnp.concatenate([re, im], axis=-1),
        jnp.concatenate([im, -re], axis=-1),
        jnp.zeros((n * n,) + x.shape, x.dtype),
      ]
    )
  )


def linear(x: chex.Array | Jet, w: chex.Array, b: chex.Array | None = None) -> chex.Array | Jet:
  """x w + b over the features of an array (..., F) or of jets; w (F, F'), b (F',)."""
  if isinstance(x, Jet):
    y = x.map_rows(lambda rows: layer_matmul(rows, w))
    return y if b is None else y + b
  return layer_matmul(x, w) if b is None else layer_matmul(x, w) + b


def activate(activation: str, x: chex.Array | Jet, b: chex.Array | None = None) -> chex.Array | Jet:
  """f(x + b) feature by feature, f named as in `networks.activations`; b (F,) or None."""
  if isinstance(x, Jet):
    bias = jnp.zeros(x.shape[-1:], x.rows.dtype) if b is None else b
    return x.map_rows(lambda rows: _activate(type(x), activation, rows, bias))
  return activations.derivatives(activation, x if b is None else x + b, 0)[0]


def dense(activation: str, x: chex.Array | Jet, w: chex.Array, b: chex.Array) -> chex.Array | Jet:
  """f(x w + b): the layer that networks are made of, with a backward pass written by hand.

  Args:
    activation: a key of `networks.activations.ACTIVATIONS`.
    x: array (..., F) or Jet of that shape.
    w: (F, F').
    b: (F',).

  Returns:
    An array or a Jet of shape (..., F').
  """
  chex.assert_shape(w, (x.shape[-1], None))
  chex.assert_shape(b, (w.shape[1],))
  return activate(activation, linear(x, w), b)


def dtype(x: chex.Array | Jet) -> jnp.dtype:
  """The real dtype of an array or of a jet."""
  return x.rows.dtype if isinstance(x, Jet) else x.dtype


def concatenate(xs: Sequence[chex.Array | Jet]) -> chex.Array | Jet:
  """Concatenates features, of arrays or of jets of one type."""
  if isinstance(xs[0], Jet):
    return type(xs[0])(jnp.concatenate([x.rows for x in xs], axis=-1))
  return jnp.concatenate(xs, axis=-1)


def sum_features(x: chex.Array | Jet) -> chex.Array | Jet:
  """Sum over the features, (..., F) -> (...)."""
  return x.map_rows(lambda rows: rows.sum(axis=-1)) if isinstance(x, Jet) else x.sum(axis=-1)


def log(x: chex.Array | Jet) -> chex.Array | Jet:
  """Logarithm, feature by feature."""
  return activate("log", x)


def layer_matmul(rows: chex.Array, w: chex.Array) -> chex.Array:
  """(..., F) times parameters (F, F') as one tall matmul, at networks.precision's setting."""
  return _tall(precision.matmul, rows, w)


def matmul(rows: chex.Array, w: chex.Array) -> chex.Array:
  """(..., F) times (F, F') as one tall matmul, never rounded."""
  return _tall(precision.exact_matmul, rows, w)


def _tall(multiply, rows, w):
  # Rows and batch in one axis: the weight gradient then contracts a single axis, the only form of
  # it that XLA's CPU backend hands to a fast matmul.
  return multiply(rows.reshape(-1, rows.shape[-1]), w).reshape(rows.shape[:-1] + w.shape[1:])


def fenced(activation: str, v: chex.Array, order: int) -> tuple[chex.Array, ...]:
  """Derivatives 0..order of an activation, computed once and kept."""
  # Without the fence XLA recomputes the erf or exp of the value for each of the R rows.
  return jax.lax.optimization_barrier(activations.derivatives(activation, v, order))


def _activate_forward(kind, activation, rows, b):
  fs = fenced(activation, rows[0] + b, kind.order + 1)
  return kind.compose(fs, rows), (fs, rows)


def _activate_backward(kind, activation, residuals, g):
  del activation
  cotangent = kind.compose_transpose(*residuals, g)
  return cotangent, cotangent[0].reshape(-1, cotangent.shape[-1]).sum(axis=0)


@reverse.by_hand(_activate_forward, _activate_backward, static=(0, 1))
def _activate(kind, activation, rows, b):
  return kind.compose(fenced(activation, rows[0] + b, kind.order), rows)
