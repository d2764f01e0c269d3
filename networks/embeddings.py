"""Embeddings that do not change when a factor's homogeneous coordinates are rescaled."""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import math

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from networks import gauge, jets, jets22, products22
from networks.split_complex import Complex


class SpectralEmbedding(hk.Module):
  """s_ij = z_i conj(z_j) / |z|^2 of each ambient factor, as real features.

  A factor P^n gives (n + 1)^2 features, row by row in (i, j): Re s_ij at i <= j and Im s_ji at
  i > j. The factors' features are concatenated. There are no parameters.
  """

  def __init__(self, ambient: Sequence[int], name: str | None = None):
    super().__init__(name=name)
    self.ambient = tuple(ambient)

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Features of a point.

    Args:
      x: (..., 2N) real, [Re z, Im z], or the jet of these coordinates, of either type, made by
        `jets.from_coordinates` or `jets22.from_coordinates`.

    Returns:
      (..., F) or Jet of that shape, F = sum_i (n_i + 1)^2.
    """
    num_coordinates = sum(self.ambient) + len(self.ambient)
    chex.assert_equal(x.shape[-1], 2 * num_coordinates)
    factors = gauge.factors(self.ambient)
    # By exact type: a jet of type (2, 2) is a Jet too.
    if type(x) is jets.Jet:
      return _embed_jet(x, factors)
    if isinstance(x, jets.Jet):
      flat = jets22.Jet22(x.rows.reshape(x.rows.shape[0], -1, x.shape[-1]))
      jet = jets.concatenate([products22.jet(group) for group in self.products(flat)])
      return jets22.Jet22(jet.rows.reshape(*x.rows.shape[:-1], -1))
    return jets.concatenate([_embed(x, *parts) for parts in factors])

  def products(self, x: jets22.Jet22) -> list[products22.Products]:
    """Each factor's features from the jet (P, 2N) of P points."""
    return [_products(x, *parts) for parts in gauge.factors(self.ambient)]


def _embed(x, real, imaginary):
  u, v = x[..., real], x[..., imaginary]
  scale = (u * u + v * v).sum(axis=-1, keepdims=True) ** -0.5
  e = Complex(u * scale, v * scale)
  return _pair(e, e).re


def _embed_jet(x, factors):
  """The rows of all factors, made with the points last.

  Numbers of features are no multiples of a vector's length.
  """
  low, mixed = zip(*[_rows(x, *parts) for parts in factors], strict=True)
  # Read by several kernels each: without the fence XLA computes them again for every one.
  parts = jax.lax.optimization_barrier((jnp.concatenate(low), jnp.concatenate(mixed)))
  return jets.Jet(jnp.moveaxis(jnp.concatenate(parts, axis=1), 0, -1))


def _rows(x, real, imaginary):
  """Rows of s and d_a s, (F, 1 + 2n, ...), and of d_a dbar_b s, (F, n * n, ...), of one factor.

  In the gauge |z| = 1, dz orthogonal to z: d_a s = J_ai conj(e_j) and
  d_a dbar_b s = J_ai conj(J_bj) - e_i conj(e_j) h_ab, with z = e, J = dz, h_ab = J_a . conj(J_b).
  """
  n = x.num_directions
  frame = gauge.frame(x, real, imaginary)
  frame = Complex(*(jnp.moveaxis(part, -1, 0) for part in (frame.re, frame.im)))
  # Every row is made of a z or dz and the conjugate of another: the numbers of these in the frame.
  d = range(1, 1 + n)
  pairs = [(0, 0), *((a, 0) for a in d), *((a, a) for a in d), *itertools.combinations(d, 2)]
  left, right = (
    Complex(
      *(
        jnp.concatenate([part[:, k : k + 1] for k in numbers], axis=1)
        for part in (frame.re, frame.im)
      )
    )
    for numbers in zip(*pairs, strict=True)
  )
  s = _pair(left, right, axis=0)
  h = left * right.conj()
  h = Complex(*jax.lax.optimization_barrier((h.re.sum(axis=0), h.im.sum(axis=0))))
  low = jnp.concatenate([s.re[:, : 1 + n], s.im[:, 1 : 1 + n]], axis=1)
  mixed = jnp.concatenate(
    [
      s.re[:, 1 + n :] - h.re[1 + n :] * s.re[:, :1],
      s.im[:, 1 + 2 * n :] - h.im[1 + 2 * n :] * s.re[:, :1],
    ],
    axis=1,
  )
  return low, mixed


def _products(x, real, imaginary):
  """z_i conj(z_j) exp(-log |z|^2) in the same gauge, ddz orthogonal to z too."""
  frame = gauge.frame(x, real, imaginary)
  factor = jets.concatenate([x[..., real], x[..., imaginary]])
  log = gauge.log_norm(factor, [frame.re.shape[-1] - 1], [1.0])
  return products22.Products(frame, log, _pair, _form)


def _form(weights):
  """The Hermitian form (..., k, k) of the sum of `_pair`'s features with weights (..., k * k)."""
  k = math.isqrt(weights.shape[-1])
  w = weights.reshape(*weights.shape[:-1], k, k)
  upper, lower = jnp.triu(w), jnp.tril(w, -1)
  transpose = lambda a: jnp.swapaxes(a, -1, -2)
  return Complex(0.5 * (upper + transpose(upper)), 0.5 * (lower - transpose(lower)))


def _pair(a, b, axis=-1):
  """Features of the matrix m_ij = a_i conj(b_j): Complex (..., k) each -> Complex (..., k * k).

  The feature at i <= j is (m_ij + m_ji) / 2, the one at i > j is (m_ji - m_ij) / (2i): for a = b
  these are Re m_ij and Im m_ji, and derivatives of m, which are not Hermitian, stay derivatives
  of them. With axis = 0 instead of -1 it maps (k, ...) to (k * k, ...).
  """
  k = a.re.shape[axis]
  upper = np.triu(np.ones((k, k), bool))
  if axis == 0:
    upper = upper.reshape(k, k, *(1,) * (a.re.ndim - 1))

  def expand(c, other):
    return Complex(jnp.expand_dims(c.re, other), jnp.expand_dims(c.im, other))

  # m and its transpose, both written as products: no transposition of an array.
  i, j = (1, 0) if axis == 0 else (-1, -2)
  m, m_t = expand(a, i) * expand(b, j).conj(), expand(a, j) * expand(b, i).conj()
  real = 0.5 * jnp.where(upper, m.re + m_t.re, m_t.im - m.im)
  imaginary = 0.5 * jnp.where(upper, m.im + m_t.im, m.re - m_t.re)
  shape = (k * k, *real.shape[2:]) if axis == 0 else (*real.shape[:-2], k * k)
  return Complex(real.reshape(shape), imaginary.reshape(shape))
