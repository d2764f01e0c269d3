"""Embeddings that do not change when a factor's homogeneous coordinates are rescaled."""

from __future__ import annotations

from collections.abc import Sequence

import chex
import haiku as hk
import jax.numpy as jnp
import numpy as np

from networks import jets


class SpectralEmbedding(hk.Module):
  """s_ij = z_i conj(z_j) / |z|^2 of each ambient factor, as real features.

  A factor P^n gives (n + 1)^2 features, row by row in (i, j): Re s_ij at i <= j and Im s_ji at i > j.
  The factors' features are concatenated. There are no parameters.
  """

  def __init__(self, ambient: Sequence[int], name: str | None = None):
    super().__init__(name=name)
    self.ambient = tuple(ambient)

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Features of a point.

    Args:
      x: (..., 2N) real, [Re z, Im z], or the Jet of these coordinates (`jets.from_coordinates`).

    Returns:
      (..., F) or Jet of that shape, F = sum_i (n_i + 1)^2.
    """
    num_coordinates = sum(self.ambient) + len(self.ambient)
    chex.assert_equal(x.shape[-1], 2 * num_coordinates)
    embed = _embed_jet if isinstance(x, jets.Jet) else _embed
    features, start = [], 0
    for n in self.ambient:
      stop = start + n + 1
      features.append(embed(x, slice(start, stop),
                            slice(num_coordinates + start, num_coordinates + stop)))
      start = stop
    return jets.concatenate(features)


def _embed(x, real, imaginary):
  u, v = x[..., real], x[..., imaginary]
  scale = ((u * u + v * v).sum(axis=-1, keepdims=True)) ** -0.5
  e = u * scale, v * scale
  return _pair(e, e)[0]


def _embed_jet(x, real, imaginary):
  """The closed form, in the gauge |z| = 1, dz orthogonal to z.

  s is unchanged when z(x) is multiplied by a holomorphic function, so z may be replaced by a unit
  vector e and dz/dx^a by its part J_a orthogonal to e, over |z|. Then, with r_ab = J_a . conj(J_b),
  d_a s = J_ai conj(e_j) and d_a dbar_b s = J_ai conj(J_bj) - e_i conj(e_j) r_ab.
  """
  n = x.num_directions
  u, v = x.rows[0, ..., real], x.rows[0, ..., imaginary]
  # d_a Re z = J / 2, so twice the rows of Re z are the pullback.
  p, q = 2.0 * x.rows[1:1 + n, ..., real], 2.0 * x.rows[1 + n:1 + 2 * n, ..., real]
  scale = ((u * u + v * v).sum(axis=-1, keepdims=True)) ** -0.5
  u, v, p, q = u * scale, v * scale, p * scale, q * scale
  along, across = _inner((p, q), (u, v))
  p, q = p - along * u + across * v, q - along * v - across * u

  s = _pair((u, v), (u, v))[0]
  dx, dy = _pair((p, q), (u, v))
  diagonal = _pair((p, q), (p, q))[0] - s * _inner((p, q), (p, q))[0]
  mixed = [_curved((p[a], q[a]), (p[b], q[b]), s) for a, b in jets.pairs(n)]
  return jets.Jet(jnp.concatenate(
      [s[None], dx, dy, diagonal] + [m[0][None] for m in mixed] + [m[1][None] for m in mixed]))


def _curved(a, b, s):
  re, im = _pair(a, b)
  r_re, r_im = _inner(a, b)
  return re - s * r_re, im - s * r_im


def _inner(a, b):
  """a . conj(b) over the last axis, which is kept: real and imaginary part."""
  (ar, ai), (br, bi) = a, b
  return ((ar * br + ai * bi).sum(axis=-1, keepdims=True),
          (ai * br - ar * bi).sum(axis=-1, keepdims=True))


def _pair(a, b):
  """Features of the matrix m_ij = a_i conj(b_j), (..., k) each -> real, imaginary (..., k * k).

  The feature at i <= j is (m_ij + m_ji) / 2, the one at i > j is (m_ji - m_ij) / (2i): for a = b these
  are Re m_ij and Im m_ji, and derivatives of m, which are not Hermitian, stay derivatives of them.
  """
  (ar, ai), (br, bi) = a, b
  k = ar.shape[-1]
  upper = np.triu(np.ones((k, k), bool))

  def outer(s, t):
    return s[..., :, None] * t[..., None, :], s[..., None, :] * t[..., :, None]

  rr, rr_t = outer(ar, br)
  ii, ii_t = outer(ai, bi)
  ir, ir_t = outer(ai, br)
  ri, ri_t = outer(ar, bi)
  re, re_t, im, im_t = rr + ii, rr_t + ii_t, ir - ri, ir_t - ri_t
  real = 0.5 * jnp.where(upper, re + re_t, im_t - im)
  imaginary = 0.5 * jnp.where(upper, im + im_t, re - re_t)
  return real.reshape(real.shape[:-2] + (k * k,)), imaginary.reshape(real.shape[:-2] + (k * k,))
