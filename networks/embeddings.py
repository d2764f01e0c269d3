"""Embeddings that do not change when a factor's homogeneous coordinates are rescaled."""

from __future__ import annotations

from collections.abc import Sequence

import chex
import haiku as hk
import jax.numpy as jnp
import numpy as np

from networks import gauge
from networks import index_maps
from networks import jets
from networks import jets22
from networks.split_complex import Complex


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
      x: (..., 2N) real, [Re z, Im z], or the jet of these coordinates, of either type, made by
        `jets.from_coordinates` or `jets22.from_coordinates`.

    Returns:
      (..., F) or Jet of that shape, F = sum_i (n_i + 1)^2.
    """
    num_coordinates = sum(self.ambient) + len(self.ambient)
    chex.assert_equal(x.shape[-1], 2 * num_coordinates)
    embed = _EMBED_JET.get(type(x), _embed)
    return jets.concatenate([embed(x, *parts) for parts in gauge.factors(self.ambient)])


def _embed(x, real, imaginary):
  u, v = x[..., real], x[..., imaginary]
  scale = (u * u + v * v).sum(axis=-1, keepdims=True) ** -0.5
  e = Complex(u * scale, v * scale)
  return _pair(e, e).re


def _embed_jet(x, real, imaginary):
  """In the gauge |z| = 1, dz orthogonal to z: d_a s = J_ai conj(e_j) and
  d_a dbar_b s = J_ai conj(J_bj) - e_i conj(e_j) h_ab, with z = e, J = dz, h_ab = J_a . conj(J_b)."""
  n = x.num_directions
  frame = gauge.frame(x, real, imaginary)
  k = frame.re.shape[-1]
  # Laid out by a matmul: XLA's CPU backend does not vectorise indexing into (k, k) features.
  parts = jets.matmul(jnp.concatenate([frame.re, frame.im], axis=-1), _layout(k).astype(x.rows.dtype))
  parts = [Complex(*jnp.split(c, 2, axis=-1)) for c in jnp.split(parts, 4, axis=-1)]

  def feature(a, b):
    left, left_t, right, right_t = (gauge.entry(c, index) for c, index in zip(parts, (a, a, b, b), strict=True))
    return left * right.conj() + left_t * right_t.conj()

  def form(of):
    """The packed rows of a Hermitian form on the directions, given a function of two ranges of the frame."""
    above = [of(slice(1 + a, 2 + a), slice(1 + b, 2 + b)) for a, b in jets.pairs(n)]
    return jnp.concatenate([of(j, j).re] + [c.re for c in above] + [c.im for c in above])

  e, j = slice(0, 1), slice(1, None)
  s, first = feature(e, e).re, feature(j, e)
  products = form(lambda a, b: gauge.entry(frame, a) * gauge.entry(frame, b).conj())
  h = jets.matmul(products, np.ones((k, 1), x.rows.dtype))
  return jets.Jet(jnp.concatenate([s, first.re, first.im, form(feature) - h * s]))


def _layout(k):
  """(2k, 8 k^2): from [Re z, Im z] to z_i, z_j, conj(c) z_j / 2 and c z_i / 2, with c = 1 at i <= j and i at i > j.

  The feature of a conj(b) is a_i conj(conj(c) b_j / 2) + a_j conj(c b_i / 2), for a = b the real number
  Re(c a_i conj(a_j)).
  """
  i, j = np.repeat(np.eye(k), k, axis=1), np.tile(np.eye(k), (1, k))
  c = np.where(np.triu(np.ones((k, k))), 1, 1j).reshape(-1)
  real = lambda m: np.block([[m.real, m.imag], [-m.imag, m.real]])
  return np.concatenate([real(m) for m in (i, j, 0.5 * c.conj() * j, 0.5 * c * i)], axis=1)


def _embed_jet22(x, real, imaginary):
  """Leibniz' rule for s = N / r in the same gauge, ddz orthogonal to z too.

  With N = z_i conj(z_j), h, t and w as in `gauge`: 1/r has the derivatives -h_ab, -t_{ac b} and
  -w_{ac bd} + 2 (h_ab h_cd + h_ad h_cb), and those of N are products of derivatives of z.
  """
  n = x.num_directions
  # Entries as arrays of indices of the frame, whose vectors are z, d_a z and d_a d_c z: one operation for all.
  d, b = 1 + np.arange(n), 1 + np.arange(n)[None]
  first, second = (1 + np.array(i) for i in zip(*index_maps.symmetric_pairs(n), strict=True))
  dd = 1 + n + np.arange(len(first))
  frame = gauge.frame(x, real, imaginary)
  columns, rows = gauge.entry(frame, slice(None), None), gauge.entry(frame, None)
  features, inner = _pair(columns, rows), gauge.inner(columns, rows)
  num = lambda i, j: gauge.entry(features, i, j)
  r = lambda i, j: gauge.entry(inner, i, j)
  value = num(0, 0).re

  def mixed(a, b):
    return num(d[a], d[b]) - r(d[a], d[b]) * value

  def third(p, b):
    a, c, p = first[p], second[p], dd[p]
    return num(p, b) - r(a, b) * num(c, 0) - r(c, b) * num(a, 0) - r(p, b) * value

  def fourth(p, q):
    a, c, b, e, p, q = first[p], second[p], first[q], second[q], dd[p], dd[q]
    of_inverse = (r(a, b) * r(c, e) + r(a, e) * r(c, b)) * 2.0 - r(p, q)
    return (num(p, q) + of_inverse * value
            - r(a, b) * num(c, e) - r(a, e) * num(c, b) - r(c, b) * num(a, e) - r(c, e) * num(a, b)
            - r(p, b) * num(0, e) - r(p, e) * num(0, b) - r(a, q) * num(c, 0) - r(c, q) * num(a, 0))

  vector = lambda c: [part.reshape(-1, *value.shape) for part in (c.re, c.im)]
  return jets22.Jet22(jnp.concatenate([
      value[None], *vector(num(d, 0)), *index_maps.form_rows(mixed, n), *vector(num(dd, 0)),
      *vector(third(np.arange(len(dd))[:, None], b)), *index_maps.form_rows(fourth, len(dd))]))


def _pair(a, b):
  """Features of the matrix m_ij = a_i conj(b_j): Complex (..., k) each -> Complex (..., k * k).

  The feature at i <= j is (m_ij + m_ji) / 2, the one at i > j is (m_ji - m_ij) / (2i): for a = b these
  are Re m_ij and Im m_ji, and derivatives of m, which are not Hermitian, stay derivatives of them.
  """
  k = a.re.shape[-1]
  upper = np.triu(np.ones((k, k), bool))

  def matrix(a, b):
    """m and its transpose, both written as products: no transposition of an array."""
    expand = lambda c, axis: Complex(jnp.expand_dims(c.re, axis), jnp.expand_dims(c.im, axis))
    return expand(a, -1) * expand(b, -2).conj(), expand(a, -2) * expand(b, -1).conj()

  m, m_t = matrix(a, b)
  real = 0.5 * jnp.where(upper, m.re + m_t.re, m_t.im - m.im)
  imaginary = 0.5 * jnp.where(upper, m.im + m_t.im, m.re - m_t.re)
  shape = real.shape[:-2] + (k * k,)
  return Complex(real.reshape(shape), imaginary.reshape(shape))


# By exact type: a jet of type (2, 2) is a Jet too.
_EMBED_JET = {jets.Jet: _embed_jet, jets22.Jet22: _embed_jet22}
