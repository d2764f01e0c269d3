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

import chex
import jax.numpy as jnp

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
  pairs = index_maps.symmetric_pairs(n)
  pick = lambda c, k: Complex(*[jnp.stack([part[p[k]] for p in pairs]) for part in (c.re, c.im)])
  second = second - pick(along, 0) * pick(first, 1) - pick(along, 1) * pick(first, 0)
  second = second - inner(second, e) * e
  return _concatenate([e, first, second])


def inner(a: Complex, b: Complex) -> Complex:
  """a . conj(b) over the last axis, which is kept."""
  product = a * b.conj()
  return Complex(product.re.sum(axis=-1, keepdims=True), product.im.sum(axis=-1, keepdims=True))


def entry(c: Complex, *index) -> Complex:
  """Indexes both parts."""
  return Complex(c.re[index], c.im[index])


def _concatenate(parts: list[Complex]) -> Complex:
  chex.assert_equal_rank([part.re for part in parts])
  return Complex(
    jnp.concatenate([part.re for part in parts]), jnp.concatenate([part.im for part in parts])
  )
