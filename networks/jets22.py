"""Complex jets of type (2, 2): a real function with all its d^p dbar^q derivatives, p, q <= 2.

On a Kaehler manifold these derivatives of the potential are the metric, the connection and
the whole Riemann tensor. Along n holomorphic local directions, with the m = n(n + 1)/2 pairs
p = (a <= c), the rows are those of a jet of type (1, 1), and after them

  [Re v_p | Im v_p | Re v_{p bbar} | Im v_{p bbar}
    | v_{p pbar} | Re v_{p qbar} (p<q) | Im v_{p qbar} (p<q)],

(1 + n + m)^2 real rows in all, 100 for n = 3. Pairs run row by row, mixed third derivatives
over b fastest.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from networks import jets, quadratic
from networks.index_maps import symmetric_pairs
from networks.split_complex import Complex


class Derivatives(NamedTuple):
  """The derivatives of a jet of type (2, 2) by index, each `Complex` of arrays (..., F).

  Attributes:
    value: v.
    first: v_a, a list over a.
    mixed: v_{a bbar}, mixed[a][b]; Hermitian.
    second: v_{ac}, a list over the pairs p = (a <= c).
    third: v_{ac bbar}, third[p][b].
    fourth: v_{ac bbar dbar}, fourth[p][q]; Hermitian.
  """

  value: Complex
  first: list[Complex]
  mixed: list[list[Complex]]
  second: list[Complex]
  third: list[list[Complex]]
  fourth: list[list[Complex]]


def directions_of(num_rows: int) -> int:
  """n, from the number (1 + n + n(n + 1)/2)^2 of rows."""
  total = math.isqrt(num_rows)
  n = math.isqrt(2 * total) - 1
  chex.assert_equal((1 + n + n * (n + 1) // 2) ** 2, num_rows)
  return n


def unpack(rows: chex.Array | Sequence[chex.Array]) -> Derivatives:
  """Rows (R, ..., F) by index."""
  n = directions_of(len(rows))
  m = n * (n + 1) // 2
  take = iter(list(rows))
  block = lambda count: [next(take) for _ in range(count)]
  value = Complex(next(take))
  first = [Complex(*c) for c in zip(block(n), block(n), strict=True)]
  mixed = unpack_hermitian(n, block(n * n))
  second = [Complex(*c) for c in zip(block(m), block(m), strict=True)]
  third = [Complex(*c) for c in zip(block(m * n), block(m * n), strict=True)]
  third = [third[p * n : (p + 1) * n] for p in range(m)]
  return Derivatives(value, first, mixed, second, third, unpack_hermitian(m, block(m * m)))


def pack(d: Derivatives) -> list[chex.Array]:
  """The inverse of `unpack`, as a list of rows; lower triangles are not read."""
  third = list(itertools.chain(*d.third))
  return [
    d.value.re,
    *(c.re for c in d.first),
    *(c.im for c in d.first),
    *pack_hermitian(d.mixed),
    *(c.re for c in d.second),
    *(c.im for c in d.second),
    *(c.re for c in third),
    *(c.im for c in third),
    *pack_hermitian(d.fourth),
  ]


def unpack_hermitian(n: int, rows: Sequence[chex.Array]) -> list[list[Complex]]:
  """n * n real rows [h_aa | Re h_ab (a<b) | Im h_ab (a<b)] -> the entries h[a][b]."""
  upper = quadratic.pairs(n)
  entries = {(a, a): Complex(rows[a]) for a in range(n)}
  for k, (a, b) in enumerate(upper):
    entries[a, b] = Complex(rows[n + k], rows[n + len(upper) + k])
    entries[b, a] = entries[a, b].conj()
  return [[entries[a, b] for b in range(n)] for a in range(n)]


def pack_hermitian(h: list[list[Complex]]) -> list[chex.Array]:
  """The inverse of `unpack_hermitian`; the lower triangle is not read."""
  upper = quadratic.pairs(len(h))
  return (
    [h[a][a].re for a in range(len(h))]
    + [h[a][b].re for a, b in upper]
    + [h[a][b].im for a, b in upper]
  )


def hermitian(n: int, entry) -> list[list[Complex | None]]:
  """The upper triangle entry(a, b), a <= b, of a Hermitian form; the rest is not computed."""
  return [[entry(a, b) if a <= b else None for b in range(n)] for a in range(n)]


@jets.register
class Jet22(jets.Jet):
  """Jets of type (2, 2) of F real functions; rows (R, ..., F) as in the module's docstring."""

  order = 4

  @property
  def num_directions(self) -> int:
    """n, the number of complex local directions."""
    return directions_of(self.rows.shape[0])

  @property
  def mixed(self) -> chex.Array:
    """h = d_a dbar_b v, (n * n, ..., F): [h_aa | Re h_ab (a<b) | Im h_ab (a<b)]."""
    n = self.num_directions
    return self.rows[1 + 2 * n : (1 + n) ** 2]

  @staticmethod
  def compose(fs: Sequence[chex.Array], rows: chex.Array) -> chex.Array:
    """Rows of f(v) from (f, .., f'''') at the value (..., F) and the rows of v (row 0 unread)."""
    return jnp.stack(_compose(fs[:5], list(rows)))

  @staticmethod
  def compose_transpose(fs: Sequence[chex.Array], rows: chex.Array, g: chex.Array) -> chex.Array:
    """Cotangent of the rows of v; the derivatives of f pass theirs on to the value."""
    # Differentiated as a function of separate rows: a slice would transpose to a sum
    # of padded arrays.
    _, transpose = jax.vjp(_compose, list(fs[:5]), list(rows))
    of_fs, of_rows = transpose(list(g))
    value = sum(c * f for c, f in zip(of_fs, fs[1:], strict=True))
    return jnp.stack([value, *of_rows[1:]])

  @staticmethod
  def multiply(u: chex.Array, v: chex.Array) -> chex.Array:
    """Rows of a product of two real functions (Leibniz)."""
    x, y = unpack(u), unpack(v)
    n = len(x.first)
    ps = symmetric_pairs(n)

    def half(x, y):
      """Leibniz' terms, each of which has a partner with x and y exchanged."""

      def third(p, b):
        a, c = ps[p]
        return (
          x.third[p][b] * y.value
          + x.second[p] * y.first[b].conj()
          + x.mixed[a][b] * y.first[c]
          + x.mixed[c][b] * y.first[a]
        )

      def fourth(p, q):
        (a, c), (b, e) = ps[p], ps[q]
        return (
          x.fourth[p][q] * y.value
          + x.third[p][b] * y.first[e].conj()
          + x.third[p][e] * y.first[b].conj()
          + x.third[q][a].conj() * y.first[c]
          + x.third[q][c].conj() * y.first[a]
          + x.second[p] * y.second[q].conj()
          + x.mixed[a][b] * y.mixed[c][e]
          + x.mixed[a][e] * y.mixed[c][b]
        )

      return Derivatives(
        x.value * y.value * 0.5,
        [x.first[a] * y.value for a in range(n)],
        hermitian(n, lambda a, b: x.mixed[a][b] * y.value + x.first[a] * y.first[b].conj()),
        [x.second[p] * y.value + x.first[a] * y.first[c] for p, (a, c) in enumerate(ps)],
        [[third(p, b) for b in range(n)] for p in range(len(ps))],
        hermitian(len(ps), fourth),
      )

    return jnp.stack(pack(half(x, y))) + jnp.stack(pack(half(y, x)))


def from_coordinates(x: chex.Array, pullback: chex.Array, second: chex.Array) -> Jet22:
  """The jet of the real ambient coordinates [Re z, Im z] of points z(x^1, .., x^n).

  Args:
    x: (..., 2N) real.
    pullback: (..., n, N) complex, dz^i/dx^a.
    second: (..., m, N) complex, d^2 z^i/dx^a dx^c over the pairs a <= c.

  Returns:
    Jet22 of shape (..., 2N).
  """
  n, m = pullback.shape[-2], second.shape[-2]
  chex.assert_equal(m, n * (n + 1) // 2)
  first = jets.from_coordinates(x, pullback)
  k = 0.5 * jnp.moveaxis(second, -2, 0)
  re, im = k.real.astype(x.dtype), k.imag.astype(x.dtype)
  return Jet22(
    jnp.concatenate(
      [
        first.rows,
        jnp.concatenate([re, im], axis=-1),
        jnp.concatenate([im, -re], axis=-1),
        jnp.zeros((2 * m * n + m * m,) + x.shape, x.dtype),
      ]
    )
  )


def _compose(fs, rows):
  """Rows of f(v) from (f, .., f'''') at the value, by Faa di Bruno's formula.

  The terms of the fourth derivatives are grouped by factors that many of them share:
  with P_ac = v_a v_c and S_{ac bbar} = v_{a bbar} v_c + v_{c bbar} v_a,
  f_{ac bbar dbar} = f' v_{ac bbar dbar}
    + (f'' v_ac + f''' P_ac) conj(v_bd) + (f''' v_ac + f'''' P_ac) conj(P_bd)
    + f'' (v_{a bbar} v_{c dbar} + v_{a dbar} v_{c bbar})
    + [T_{ac bbar} conj(v_d) + T_{ac dbar} conj(v_b)]
    + f'' [conj(v_{bd abar}) v_c + conj(v_{bd cbar}) v_a],
  T_{ac bbar} = f'' v_{ac bbar} + f''' S_{ac bbar}.
  """
  f, f1, f2, f3, f4 = fs
  d = unpack(rows)
  n = len(d.first)
  ps = symmetric_pairs(n)
  v1, v11, v2, v21 = d.first, d.mixed, d.second, d.third
  product = [v1[a] * v1[c] for a, c in ps]
  shared = [[v11[a][b] * v1[c] + v11[c][b] * v1[a] for b in range(n)] for a, c in ps]
  u = [v2[p] * f2 + product[p] * f3 for p in range(len(ps))]
  w = [v2[p] * f3 + product[p] * f4 for p in range(len(ps))]
  t = [[v21[p][b] * f2 + shared[p][b] * f3 for b in range(n)] for p in range(len(ps))]
  s = [[v1[a] * f2 for a in range(n)], [[v11[a][b] * f2 for b in range(n)] for a in range(n)]]
  # Every entry below reads several of these: without the fence XLA computes them again for each.
  product, shared, u, w, t, s = _fence((product, shared, u, w, t, s))
  scaled1, scaled11 = s

  def fourth(p, q):
    (a, c), (b, e) = ps[p], ps[q]
    return (
      d.fourth[p][q] * f1
      + u[p] * v2[q].conj()
      + w[p] * product[q].conj()
      + scaled11[a][b] * v11[c][e]
      + scaled11[a][e] * v11[c][b]
      + t[p][b] * v1[e].conj()
      + t[p][e] * v1[b].conj()
      + v21[q][a].conj() * scaled1[c]
      + v21[q][c].conj() * scaled1[a]
    )

  return pack(
    Derivatives(
      value=Complex(f),
      first=[v * f1 for v in v1],
      mixed=hermitian(n, lambda a, b: v11[a][b] * f1 + scaled1[a] * v1[b].conj()),
      second=[v2[p] * f1 + product[p] * f2 for p in range(len(ps))],
      third=[
        [v21[p][b] * f1 + u[p] * v1[b].conj() + shared[p][b] * f2 for b in range(n)]
        for p in range(len(ps))
      ],
      fourth=hermitian(len(ps), fourth),
    )
  )


def _fence(tree):
  leaves, structure = jax.tree.flatten(tree, is_leaf=lambda c: isinstance(c, Complex))
  parts = jax.lax.optimization_barrier([(c.re, c.im) for c in leaves])
  return jax.tree.unflatten(structure, [Complex(*part) for part in parts])
