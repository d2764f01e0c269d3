"""Products and functions of jets of type (2, 2), see networks.jets22.

Entries are arrays of indices, one operation for all of a kind: unrolled they take long to compile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import index_maps
from networks.split_complex import Complex


def product(u: chex.Array, v: chex.Array, n: int) -> chex.Array:
  """Rows of the product of two real functions, by Leibniz' rule.

  Args:
    u: (R, ...) real, packed as in networks.jets22.
    v: (R, ...) real, of a shape that broadcasts with that of u.
    n: the number of complex directions.

  Returns:
    (R, ...) real.
  """
  x, y = _arrays(u, n), _arrays(v, n)
  # The value's row once, and every other row times the value of the other.
  return (
    u[0] * v
    + v[0] * jnp.concatenate([jnp.zeros_like(u[:1]), u[1:]])
    + (_half(x, y, n) + _half(y, x, n))
  )


def compose(fs: Sequence[chex.Array], rows: chex.Array, n: int) -> chex.Array:
  """Rows of f(v), by Faa di Bruno's formula.

  The terms of the fourth derivatives are grouped by factors that many of them share:
  with P_ac = v_a v_c and S_{ac bbar} = v_{a bbar} v_c + v_{c bbar} v_a,
  f_{ac bbar dbar} = f' v_{ac bbar dbar}
    + (f'' v_ac + f''' P_ac) conj(v_bd) + (f''' v_ac + f'''' P_ac) conj(P_bd)
    + f'' (v_{a bbar} v_{c dbar} + v_{a dbar} v_{c bbar})
    + [T_{ac bbar} conj(v_d) + T_{ac dbar} conj(v_b)]
    + f'' [conj(v_{bd abar}) v_c + conj(v_{bd cbar}) v_a],
  T_{ac bbar} = f'' v_{ac bbar} + f''' S_{ac bbar}.

  Args:
    fs: f, f', f'', f''', f'''' at the value, (...) each.
    rows: (R, ...) real, those of v; the value is not read.
    n: the number of complex directions.

  Returns:
    (R, ...) real.
  """
  f, f1, f2, f3, f4 = fs
  first, second = _pairs(n)
  join = index_maps.join
  v1, v11, v2, v21 = _arrays(rows, n)
  square = v1[first] * v1[second]
  shared = v11[first] * v1[second][:, None] + v11[second] * v1[first][:, None]
  # Every entry below reads several of these: without the fence XLA computes them again for each.
  square, shared, u, w, t, s1, s11 = _fence(
    square,
    shared,
    v2 * f2 + square * f3,
    v2 * f3 + square * f4,
    v21 * f2 + shared * f3,
    v1 * f2,
    v11 * f2,
  )

  def fourth(p, q):
    a, c, b, e = first[p], second[p], first[q], second[q]
    return (
      u[p] * v2[q].conj()
      + w[p] * square[q].conj()
      + (s11[a, join(b, e)] * v11[c, join(e, b)]).sum()
      + (t[p, join(b, e)] * v1[join(e, b)].conj()).sum()
      + (v21[q, join(a, c)].conj() * s1[join(c, a)]).sum()
    )

  bent = _rows(
    lambda a, b: s1[a] * v1[b].conj(),
    square * f2,
    u[:, None] * v1[None].conj() + shared * f2,
    fourth,
    n,
  )
  return jnp.concatenate([f[None], f1 * rows[1:] + bent[1:]])


def _half(x, y, n):
  """The terms without a value, each of which has a partner with x and y exchanged."""
  first, second = _pairs(n)
  join = index_maps.join

  def fourth(p, q):
    a, c, b, e = first[p], second[p], first[q], second[q]
    return (
      (x.third[p, join(b, e)] * y.first[join(e, b)].conj()).sum()
      + (x.third[q, join(a, c)].conj() * y.first[join(c, a)]).sum()
      + x.second[p] * y.second[q].conj()
      + (x.mixed[a, join(b, e)] * y.mixed[c, join(e, b)]).sum()
    )

  third = (
    x.second[:, None] * y.first[None].conj()
    + x.mixed[first] * y.first[second][:, None]
    + x.mixed[second] * y.first[first][:, None]
  )
  mixed = lambda a, b: x.first[a] * y.first[b].conj()
  return _rows(mixed, x.first[first] * y.first[second], third, fourth, n)


def _rows(mixed, second, third, fourth, n):
  """Packed rows of derivatives of these kinds; value and first derivatives are 0."""
  behind = second.re.shape[1:]
  flat = lambda c: [part.reshape(-1, *behind) for part in (c.re, c.im)]
  return jnp.concatenate(
    [
      jnp.zeros((1 + 2 * n, *behind), second.re.dtype),
      *index_maps.form_rows(mixed, n),
      *flat(second),
      *flat(third),
      *index_maps.form_rows(fourth, second.re.shape[0]),
    ]
  )


class _Arrays(NamedTuple):
  """v_a (n, ...), v_{a bbar} (n, n, ...), v_ac (m, ...) over pairs, v_{ac bbar} (m, n, ...)."""

  first: Complex
  mixed: Complex
  second: Complex
  third: Complex


def _arrays(rows, n):
  m = n * (n + 1) // 2
  ends = np.cumsum([1, n, n, n * n, m, m, m * n, m * n])
  _, re1, im1, packed, re2, im2, re3, im3, _ = jnp.split(rows, ends)
  parts = index_maps.apply(index_maps.pack_vector(index_maps.form(n).reshape(n * n, -1)), packed)
  entries = lambda re, im, *shape: Complex(*(c.reshape(*shape, *rows.shape[1:]) for c in (re, im)))
  return _Arrays(
    entries(re1, im1, n),
    entries(*jnp.split(parts, 2), n, n),
    entries(re2, im2, m),
    entries(re3, im3, m, n),
  )


def _pairs(n):
  """a and c of the pairs a <= c."""
  return (np.array(index) for index in zip(*index_maps.symmetric_pairs(n), strict=True))


def _fence(*entries):
  parts = jax.lax.optimization_barrier([(c.re, c.im) for c in entries])
  return (Complex(*part) for part in parts)
