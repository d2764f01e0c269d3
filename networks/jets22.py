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

from networks import jets, quadratic, rules22
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
    return rules22.compose(fs[:5], rows, directions_of(rows.shape[0]))

  @staticmethod
  def compose_transpose(fs: Sequence[chex.Array], rows: chex.Array, g: chex.Array) -> chex.Array:
    """Cotangent of the rows of v; the derivatives of f pass theirs on to the value."""
    n = directions_of(rows.shape[0])
    _, transpose = jax.vjp(lambda *a: rules22.compose(*a, n), list(fs[:5]), rows)
    of_fs, of_rows = transpose(g)
    value = sum(c * f for c, f in zip(of_fs, fs[1:], strict=True))
    return jnp.concatenate([value[None], of_rows[1:]])

  @staticmethod
  def multiply(u: chex.Array, v: chex.Array) -> chex.Array:
    """Rows of a product of two real functions (Leibniz)."""
    return rules22.product(u, v, directions_of(u.shape[0]))


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
