"""The holomorphic gauge in which projective space is simplest.

A point z(x) of a projective factor may be multiplied by any holomorphic function of the local
coordinates x. At one point that function can be chosen such that |z| = 1 and the derivatives
d_a z, d_a d_c z are orthogonal to z. In this gauge r = |z|^2 has r = 1, r_a = r_ac = 0, and with
h_ab = J_a.conj(J_b), t_{ac b} = Z_ac.conj(J_b), w = Z_ac.conj(Z_bd), J = dz and Z = ddz, its
mixed derivatives are h, t and w: functions of z that do not depend on the gauge, log r up to
pluriharmonic terms among them, have short closed-form jets.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools
from typing import NamedTuple

import chex
import jax.numpy as jnp
import numpy as np

from networks import index_maps, jets, jets22
from networks.split_complex import Complex


def factors(ambient: Sequence[int]) -> list[tuple[slice, slice]]:
  """Where Re z and Im z of each factor lie among the 2N coordinates of a point."""
  stops = list(itertools.accumulate(n + 1 for n in ambient))
  size = stops[-1]
  return [
    (slice(stop - n - 1, stop), slice(size + stop - n - 1, size + stop))
    for n, stop in zip(ambient, stops)
  ]


def frame(x: jets.Jet, real: slice, imaginary: slice) -> Complex:
  """z and its derivatives in the gauge above.

  Args:
    x: the jet of the real coordinates [Re z, Im z], of type (1, 1) or (2, 2), shape (..., 2N).
    real: where Re z of the factor lies among the 2N, k of them.
    imaginary: where Im z does.

  Returns:
    (A, ..., k): z, then d_a z, and for type (2, 2) d_a d_c z over a <= c.
  """
  n = x.num_directions
  u, v = x.rows[:1, ..., real], x.rows[:1, ..., imaginary]
  # d_a Re z = J / 2: the rows of Re z hold half the derivatives of z.
  rows = x.rows[..., real]
  p, q = 2.0 * rows[1 : 1 + n], 2.0 * rows[1 + n : 1 + 2 * n]
  scale = (u * u + v * v).sum(axis=-1, keepdims=True) ** -0.5
  e = Complex(u * scale, v * scale)
  first = Complex(p * scale, q * scale)
  along = inner(first, e)
  first = first - along * e
  if not isinstance(x, jets22.Jet22):
    return _concatenate([e, first])
  start, m = (1 + n) ** 2, n * (n + 1) // 2
  second = Complex(
    2.0 * scale * rows[start : start + m], 2.0 * scale * rows[start + m : start + 2 * m]
  )
  # z -> (1 + l_a x^a) z with l_a = -along_a turns ddz into ddz + l_a dz_c + l_c dz_a, up to z;
  # only the part of dz orthogonal to z counts.
  a, c = (np.array(i) for i in zip(*index_maps.symmetric_pairs(n), strict=True))
  second = second - along[a] * first[c] - along[c] * first[a]
  second = second - inner(second, e) * e
  return _concatenate([e, first, second])


class LogNorm(NamedTuple):
  """Mixed derivatives of l = sum_i c_i log |z^(i)|^2; those of pure type vanish in this gauge.

  Attributes:
    mixed: (n, n, ..., 1), l_{a bbar} = sum_i c_i h_ab.
    third: (m, n, ..., 1), l_{ac bbar} = sum_i c_i t_{ac b}, over the m pairs a <= c.
    fourth: (m, m, ..., 1), l_{ac bbar dbar} = sum_i c_i (w_{ac bd} - h_ab h_cd - h_ad h_cb).
  """

  mixed: Complex
  third: Complex
  fourth: Complex


def log_norm(x: jets22.Jet22, ambient: Sequence[int], weights: Sequence[float]) -> LogNorm:
  """The sum over the factors of an ambient space, from the jet of its coordinates.

  Args:
    x: (..., 2N).
    ambient: (n_1, .., n_m).
    weights: c_i.
  """
  n, total = x.num_directions, None
  for weight, parts in zip(weights, factors(ambient), strict=True):
    vectors = frame(x, *parts)
    gram = inner(vectors[1:, None], vectors[None, 1:])
    h = gram[:n, :n]
    terms = LogNorm(h, gram[n:, :n], gram[n:, n:] - _paired(h, n))
    terms = [term * float(weight) for term in terms]
    total = LogNorm(*(terms if total is None else [a + b for a, b in zip(total, terms)]))
  return total


def low_over_norm(products: Complex, log: LogNorm) -> chex.Array:
  """Rows up to second order of functions N exp(-l), packed as in networks.jets22.

  Args:
    products: (K, ..., F), of real functions N: the value, d_a N, d_a dbar_b N with a = b and then
      with a < b, d_a d_c N.
    log: the derivatives of l, whose value is 0.

  Returns:
    (R, ..., F) real.
  """
  n = log.mixed.re.shape[0]
  value, re, im = products.re[:1], products.re, products.im
  first, second = np.triu_indices(n, 1)
  d = np.arange(n)
  h = log.mixed[np.concatenate([d, first]), np.concatenate([d, second])]
  ends = 1 + n, 1 + n + len(h.re)
  return jnp.concatenate(
    [
      value,
      re[1 : ends[0]],
      im[1 : ends[0]],
      re[slice(*ends)] - h.re * value,
      im[ends[0] + n : ends[1]] - h.im[n:] * value,
      re[ends[1] :],
      im[ends[1] :],
    ]
  )


def third_over_norm(products: Complex, log: LogNorm) -> chex.Array:
  """Rows of the third derivatives of functions N exp(-l), packed as in networks.jets22.

  Args:
    products: (A, A, ..., F), d_i dbar_j of F real functions N; i and j number no derivative, those
      along the n directions and those along their m pairs.
    log: the derivatives of l, whose value is 0.

  Returns:
    (2 m n, ..., F) real.
  """
  m, n = log.third.re.shape[:2]
  value, slope = products[0, 0], products[1 : 1 + n, 0]
  first, second = (np.array(i) for i in zip(*index_maps.symmetric_pairs(n), strict=True))
  a, c, j = first[:, None], second[:, None], np.arange(n)[None]
  join = index_maps.join
  crossed = (log.mixed[join(a, c), j] * slope[join(c, a)]).sum()
  third = products[1 + n :, 1 : 1 + n] - crossed - log.third * value
  return jnp.concatenate([part.reshape(m * n, *value.re.shape) for part in (third.re, third.im)])


def fourth_over_norm(products: Complex, log: LogNorm) -> chex.Array:
  """Rows (m * m, ..., F) of their fourth derivatives; arguments as above.

  The last block's lower triangle is not read.
  """
  m, n = log.third.re.shape[:2]
  d = slice(1, 1 + n)
  value, slope, mixed = products[0, 0], products[d, 0], products[d, d]
  first, second = (np.array(i) for i in zip(*index_maps.symmetric_pairs(n), strict=True))
  h, t, of_inverse = log.mixed, log.third, _paired(log.mixed, n) - log.fourth
  join = index_maps.join

  def fourth(i, j):
    a, c, b, e = first[i], second[i], first[j], second[j]
    crossed = h[join(a, a, c, c), join(b, e, b, e)] * mixed[join(c, c, a, a), join(e, b, e, b)]
    bent = t[i, join(b, e)] * slope[join(e, b)].conj() + t[j, join(a, c)].conj() * slope[join(c, a)]
    straight = products[1 + n + i, 1 + n + j] + of_inverse[i, j] * value
    return straight - crossed.sum() - bent.sum()

  return jnp.concatenate(index_maps.form_rows(fourth, m))


def _paired(h, n):
  """h_ab h_cd + h_ad h_cb over the pairs (a, c) and (b, d), (m, m, ...)."""
  first, second = (np.array(i) for i in zip(*index_maps.symmetric_pairs(n), strict=True))
  a, c = first[:, None], second[:, None]
  return h[a, first] * h[c, second] + h[a, second] * h[c, first]


def inner(a: Complex, b: Complex) -> Complex:
  """a . conj(b) over the last axis, which is kept."""
  product = a * b.conj()
  return Complex(product.re.sum(axis=-1, keepdims=True), product.im.sum(axis=-1, keepdims=True))


def _concatenate(parts: list[Complex]) -> Complex:
  chex.assert_equal_rank([part.re for part in parts])
  return Complex(
    jnp.concatenate([part.re for part in parts]), jnp.concatenate([part.im for part in parts])
  )
