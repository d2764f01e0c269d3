"""Holomorphic sections, polynomials in homogeneous coordinates, with their holomorphic derivatives.

A section s_k = sum_m z^m C_mk of multidegree d is evaluated in the gauge of `networks.gauge` in
each factor, |z| = 1 with derivatives orthogonal to z, which changes log s* H s by pluriharmonic
terms only. Its rows are

  [s | d_a s | d_a d_c s (a <= c)],

the second derivatives for jets of type (2, 2) only and s alone for arrays. Monomials are products
of those of half the degree, by Leibniz' rule in real arithmetic; C, which is nearly diagonal, is
applied as a diagonal plus a form of low rank.

Shape letters: A rows, M monomials, N complex coordinates, N_k sections, r rank.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import itertools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import gauge, index_maps, jets, jets22
from networks.split_complex import Complex

# Relative error that is allowed for a form of low rank in place of all coefficients.
_ROUNDING = 1e-13


class Plan(NamedTuple):
  """C with its monomials in the order `order`: [diag(scales); 0] + left right; dense: C = left.

  Attributes:
    order: (M,) int, numbers of monomials in the order of `_exponents`; those with
      scales come first.
    scales: (N_k,) real; None if dense.
    left: (M, r) real or complex; (M, N_k) if dense, None if r = 0.
    right: (r, N_k).
  """

  order: np.ndarray
  scales: np.ndarray | None
  left: np.ndarray | None
  right: np.ndarray | None


def section_rows(
  exponents: np.ndarray, coefficients: np.ndarray, ambient: Sequence[int], x: chex.Array | jets.Jet
) -> chex.Array:
  """Sections and their holomorphic derivatives at points.

  Args:
    exponents: (M, N) int, static; all of one multidegree, 1 or more in some factor.
    coefficients: (M, N_k) real or complex, static; fast if C = diag(sqrt multinomials)
      (E + low rank), E columns of the identity, as trainer.geometry.sections makes them.
    ambient: (n_1, .., n_m).
    x: (..., 2N) real, [Re z, Im z] in any scaling, or the Jet of these coordinates,
      of type (1, 1) or (2, 2).

  Returns:
    (A, ..., 2 N_k) real, [Re | Im] of the rows [s | d_a s | d_a d_c s]; A = 1, 1 + n or
    1 + n + n(n + 1)/2.
  """
  exponents, coefficients = np.asarray(exponents), np.asarray(coefficients)
  chex.assert_equal(exponents.shape[0], coefficients.shape[0])
  plan = make_plan(exponents, coefficients, ambient)
  monomials = _monomial_rows(_degrees(ambient, exponents), plan.order, ambient, x)
  return _apply(plan, jnp.concatenate([monomials.re, monomials.im], axis=-1))


def monomial_rows(
  exponents: np.ndarray, ambient: Sequence[int], x: chex.Array | jets.Jet
) -> Complex:
  """Monomials and their holomorphic derivatives: `section_rows` for C = 1.

  Args:
    exponents: (M, N) int, static; all monomials of one multidegree in any order.
    ambient: (n_1, .., n_m).
    x: (..., 2N) real, or the Jet of these coordinates.

  Returns:
    (A, ..., M).
  """
  degrees = _degrees(ambient, exponents)
  return _monomial_rows(degrees, _numbers(exponents, ambient, degrees), ambient, x)


def monomial_scales(ambient: Sequence[int], exponents: np.ndarray) -> np.ndarray:
  """sqrt(prod_i d_i! / prod_j m_j!) for rows m of exponents (M, N) of one multidegree d -> (M,)."""
  degrees = _degrees(ambient, exponents)
  factorials = np.array([math.factorial(e) for e in range(max(degrees) + 1)], float)
  return (factorials[degrees].prod() / factorials[exponents].prod(axis=1)) ** 0.5


def monomial_means(ambient: Sequence[int], exponents: np.ndarray) -> np.ndarray:
  """The means of |z^m|^2 / prod_i |z^(i)|^(2 d_i), rows m of exponents (M, N) -> (M,).

  They are taken over the Fubini-Study measure:
  int_{P^n} prod_i |z_i|^(2 a_i) = n! prod_i a_i! / (n + sum a)! in volumes of P^n.
  """
  means = np.ones(len(exponents))
  for n, (real, _) in zip(ambient, gauge.factors(ambient)):
    means *= [
      math.factorial(n) * math.prod(map(math.factorial, a)) / math.factorial(n + sum(a))
      for a in exponents[:, real].tolist()
    ]
  return means


def _degrees(ambient, exponents):
  degrees = [int(exponents[0, s].sum()) for s, _ in gauge.factors(ambient)]
  assert max(degrees) >= 1, "sections need degree 1 or more in some factor"
  return degrees


def _monomial_rows(degrees, order, ambient, x):
  chex.assert_equal(x.shape[-1], 2 * (sum(ambient) + len(ambient)))
  # Factors of degree 0 do not enter.
  factors = [parts for parts, degree in zip(gauge.factors(ambient), degrees) if degree]
  if isinstance(x, jets.Jet):
    z = [gauge.frame(x, *parts) for parts in factors]
  else:
    z = [normalised(x[..., re], x[..., im]) for re, im in factors]
  pairs = index_maps.symmetric_pairs(x.num_directions) if isinstance(x, jets22.Jet22) else []
  return _monomials(z, [degree for degree in degrees if degree], order, pairs)


def normalised(u: chex.Array, v: chex.Array) -> Complex:
  """Points (..., k) of projective space, scaled to |z| = 1: one row (1, ..., k)."""
  scale = (u * u + v * v).sum(axis=-1, keepdims=True) ** -0.5
  return Complex((u * scale)[None], (v * scale)[None])


def _words(count: int, degree: int) -> list[tuple[int, ...]]:
  """The monomials of a degree in some variables by their factors, (0, .., 0) for z_0^d first."""
  return list(itertools.combinations_with_replacement(range(count), degree))


def _exponents(counts: Sequence[int], degrees: Sequence[int]) -> np.ndarray:
  """Exponents (M, sum(counts)) of the monomials, z_0^d first, those of the last factor fastest."""
  rows = np.zeros((1, 0), int)
  for count, degree in zip(counts, degrees):
    factor = np.array([np.bincount(word, minlength=count) for word in _words(count, degree)])
    rows = np.concatenate(
      [rows.repeat(len(factor), axis=0), np.tile(factor, (len(rows), 1))], axis=1
    )
  return rows


def _monomials(z: Sequence[Complex], degrees: Sequence[int], order: np.ndarray, pairs) -> Complex:
  """Rows (A, ..., M) of the monomials of coordinates (A, ..., n_i + 1), in the given order."""
  if sum(degrees) == 1:
    return z[0][..., order]
  last = order if len(z) == 1 else None
  groups = [_powers(c, degree, last, pairs) for c, degree in zip(z, degrees)]
  while len(groups) > 1:
    # Halves of about the same size have the fewest products of one by many.
    last = order if len(groups) == 2 else None
    joined = [
      _products(u, v, np.indices((u.re.shape[-1], v.re.shape[-1])).reshape(2, -1), last, pairs)
      for u, v in zip(groups[::2], groups[1::2])
    ]
    groups = joined + groups[2 * len(joined) :]
  return groups[0]


def _powers(z: Complex, degree: int, order: np.ndarray | None, pairs) -> Complex:
  """The monomials of one factor, products of those of half the degree: fewest products in all."""
  words = functools.partial(_words, z.re.shape[-1])
  found = {1: z}

  def of(d):
    if d not in found:
      first, second = d // 2, d - d // 2
      places = [{word: i for i, word in enumerate(words(half))} for half in (first, second)]
      table = [(places[0][word[:first]], places[1][word[first:]]) for word in words(d)]
      last = order if d == degree else None
      found[d] = _products(of(first), of(second), np.array(table).T, last, pairs)
    return found[d]

  return of(degree)


def _products(u: Complex, v: Complex, table: np.ndarray, order, pairs) -> Complex:
  """All u_i v_k with (i, k) in the columns of a table, or those in the given order: (A, ..., M).

  d_a d_c (u v), for jets of type (2, 2), has u_a v_c + u_c v_a besides what the rule of first
  derivatives gives.
  """
  table = table if order is None else table[:, order]
  u, v = (_spread(c, index) for c, index in zip((u, v), table, strict=True))
  product = u[:1] * v + _without_value(u) * v[:1]
  if pairs:
    a, c = 1 + np.array(pairs).T
    bend, start = u[a] * v[c] + u[c] * v[a], u.re.shape[0] - len(pairs)
    rows = product[:start], product[start:] + bend
    product = Complex(*(jnp.concatenate([getattr(c, name) for c in rows]) for name in ("re", "im")))
  # Without the fence XLA computes low degrees again for every monomial of a higher one.
  return Complex(*jax.lax.optimization_barrier((product.re, product.im)))


def _spread(c: Complex, index: np.ndarray) -> Complex:
  """c[..., index] as a product with a matrix of zeros and ones: XLA gathers one by one."""
  chosen = jnp.asarray(np.eye(c.re.shape[-1])[:, index], c.re.dtype)
  return Complex(jets.matmul(c.re, chosen), jets.matmul(c.im, chosen))


def _without_value(c: Complex) -> Complex:
  """The rows with 0 in place of the value."""
  first = np.arange(c.re.shape[0]).reshape((-1,) + (1,) * (c.re.ndim - 1)) > 0
  return Complex(jnp.where(first, c.re, 0), jnp.where(first, c.im, 0))


def _apply(plan: Plan, monomials: chex.Array) -> chex.Array:
  """monomials (..., 2M) [Re | Im] in the plan's order -> sections (..., 2 N_k)."""
  if plan.scales is None:
    return _real_matmul(monomials, plan.left)
  size, kept = monomials.shape[-1] // 2, len(plan.scales)
  scales = plan.scales.astype(monomials.dtype)
  sections = jnp.concatenate(
    [monomials[..., :kept] * scales, monomials[..., size : size + kept] * scales], axis=-1
  )
  if plan.left is None:
    return sections
  return sections + _real_matmul(_real_matmul(monomials, plan.left), plan.right)


def _real_matmul(rows: chex.Array, w: np.ndarray) -> chex.Array:
  """(..., 2P) [Re | Im] times w (P, Q) -> (..., 2Q)."""
  p, q = w.shape
  if not np.iscomplexobj(w):
    halves = rows.reshape(rows.shape[:-1] + (2, p))
    return jets.matmul(halves, w.astype(rows.dtype)).reshape(rows.shape[:-1] + (2 * q,))
  packed = np.block([[w.real, w.imag], [-w.imag, w.real]])
  return jets.matmul(rows, packed.astype(rows.dtype))


def _numbers(exponents, ambient, degrees):
  """The place of each row of exponents in the order of `_exponents`."""
  index = {tuple(row): i for i, row in enumerate(_exponents([n + 1 for n in ambient], degrees))}
  return np.array([index[tuple(row)] for row in exponents])


def make_plan(exponents: np.ndarray, coefficients: np.ndarray, ambient: Sequence[int]) -> Plan:
  """How to apply coefficients (M', N_k) of monomials (M', N)."""
  degrees = _degrees(ambient, exponents)
  monomials = _exponents([n + 1 for n in ambient], degrees)
  c = np.zeros((len(monomials), coefficients.shape[1]), coefficients.dtype)
  c[_numbers(exponents, ambient, degrees)] = coefficients
  scales = monomial_scales(ambient, monomials)
  kept = np.argmax(np.abs(c) / scales[:, None], axis=0)
  dropped = np.setdiff1d(np.arange(len(c)), kept)
  dense = Plan(np.arange(len(c)), None, c, None)
  if len(kept) + len(dropped) != len(c):
    return dense
  order = np.concatenate([kept, dropped])
  rest = c[order] / scales[order, None]
  rest[: len(kept)] -= np.eye(len(kept))
  if not np.any(np.abs(rest) > _ROUNDING):
    return Plan(order, scales[kept], None, None)
  # The rows of monomials that are dropped span all of the rest.
  right = rest[len(kept) :]
  if len(right) * sum(rest.shape) < rest.size:
    left = np.linalg.lstsq(right.T, rest.T, rcond=_ROUNDING)[0].T
    if np.max(np.abs(left @ right - rest)) < _ROUNDING * np.max(np.abs(c)):
      return Plan(order, scales[kept], scales[order, None] * left, right)
  return dense
