"""Holomorphic sections, polynomials in homogeneous coordinates, with their holomorphic derivatives.

A section s_k = sum_m z^m C_mk of multidegree d is evaluated in the gauge of `networks.gauge` in each factor,
|z| = 1 with derivatives orthogonal to z, which changes log s* H s by pluriharmonic terms only. Its rows are

  [s | d_a s | d_a d_c s (a <= c)],

the second derivatives for jets of type (2, 2) only and s alone for arrays. Monomials are built degree by degree
with Leibniz' rule, in real arithmetic; C, which is nearly diagonal, is applied as a diagonal plus a form of low rank.

Shape letters: A rows, M monomials, N complex coordinates, N_k sections, r rank.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import gauge
from networks import jets
from networks import jets22
from networks.split_complex import Complex

# Relative error that is allowed for a form of low rank in place of all coefficients.
_ROUNDING = 1e-13


class Plan(NamedTuple):
  """C = E diag(scales) + left right, E the columns `kept` of the identity; dense: C = left.

  Attributes:
    kept: (N_k,) int, monomials in the order of `_monomials`; None if dense.
    scales: (N_k,) real.
    left: (M, r) real or complex; (M, N_k) if dense, None if r = 0.
    right: (r, N_k).
  """
  kept: np.ndarray | None
  scales: np.ndarray | None
  left: np.ndarray | None
  right: np.ndarray | None


def section_rows(
    exponents: np.ndarray, coefficients: np.ndarray, ambient: Sequence[int],
    x: chex.Array | jets.Jet) -> chex.Array:
  """Sections and their holomorphic derivatives at points.

  Args:
    exponents: (M, N) int, static; all of one multidegree, 1 or more in every factor.
    coefficients: (M, N_k) real or complex, static; fast if C = diag(sqrt multinomials) (E + low rank), E columns
      of the identity, as trainer.geometry.sections makes them.
    ambient: (n_1, .., n_m).
    x: (..., 2N) real, [Re z, Im z] in any scaling, or the Jet of these coordinates, of type (1, 1) or (2, 2).

  Returns:
    (A, ..., 2 N_k) real, [Re | Im] of the rows [s | d_a s | d_a d_c s]; A = 1, 1 + n or 1 + n + n(n + 1)/2.
  """
  size = sum(ambient) + len(ambient)
  exponents, coefficients = np.asarray(exponents), np.asarray(coefficients)
  chex.assert_shape(exponents, (coefficients.shape[0], size))
  chex.assert_equal(x.shape[-1], 2 * size)
  starts = np.cumsum([0] + [n + 1 for n in ambient])
  blocks = [slice(a, b) for a, b in zip(starts[:-1], starts[1:])]
  degrees = [int(exponents[0, s].sum()) for s in blocks]
  assert min(degrees) >= 1, "sections need degree 1 or more in every factor"
  plan = make_plan(exponents, coefficients, blocks, degrees)
  if not isinstance(x, jets.Jet):
    z = [_normalised(x[..., s], x[..., s.start + size:s.stop + size]) for s in blocks]
  else:
    z = [gauge.frame(x, s, slice(s.start + size, s.stop + size)) for s in blocks]
  pairs = jets22.symmetric_pairs(x.num_directions) if isinstance(x, jets22.Jet22) else []
  value = _monomial_rows(z[0], degrees[0], pairs)
  for coordinates, degree in zip(z[1:], degrees[1:]):
    value = _outer(value, _monomial_rows(coordinates, degree, pairs), pairs)
  return _apply(plan, jnp.concatenate([value.re, value.im], axis=-1))


def _normalised(u, v):
  scale = (u * u + v * v).sum(axis=-1, keepdims=True) ** -0.5
  return Complex((u * scale)[None], (v * scale)[None])


def _tails(count: int, degree: int) -> list[int]:
  """Where, among the monomials of a degree in the order of `_monomials`, those without z_0 .. z_{i-1} start."""
  total = lambda variables: math.comb(variables + degree - 1, degree)
  return [total(count) - total(count - i) for i in range(count)]


def _monomials(count: int, degree: int) -> np.ndarray:
  """Exponents (M, count) in the order of `_monomial_rows`: z_0^d first, lexicographic."""
  unit = np.eye(count, dtype=int)
  exponents = unit
  for d in range(1, degree):
    exponents = np.concatenate(
        [unit[i] + exponents[start:] for i, start in enumerate(_tails(count, d))])
  return exponents


def _monomial_rows(z: Complex, degree: int, pairs) -> Complex:
  """All monomials of a degree: rows (A, ..., count) of coordinates -> (A, ..., M)."""
  count = z.re.shape[-1]
  z = value = _fence(z)
  for d in range(1, degree):
    parts = [
        _product(gauge.entry(z, Ellipsis, slice(i, i + 1)),
                 gauge.entry(value, Ellipsis, slice(start, None)), pairs)
        for i, start in enumerate(_tails(count, d))]
    value = _fence(Complex(*[
        jnp.concatenate([getattr(c, name) for c in parts], axis=-1) for name in ("re", "im")]))
  return value


def _outer(u: Complex, v: Complex, pairs) -> Complex:
  """Products of monomials of two groups of factors, those of v varying fastest."""
  left, right = np.divmod(np.arange(u.re.shape[-1] * v.re.shape[-1]), v.re.shape[-1])
  return _fence(_product(
      _fence(gauge.entry(u, Ellipsis, left)), _fence(gauge.entry(v, Ellipsis, right)), pairs))


def _product(u: Complex, v: Complex, pairs) -> Complex:
  """Rows of the product of two holomorphic functions (Leibniz)."""
  rows = u.re.shape[0]
  n = rows - 1 - len(pairs)
  row = lambda c, i: gauge.entry(c, slice(i, i + 1))
  u0, v0 = row(u, 0), row(v, 0)
  parts = [u0 * v0]
  if rows > 1:
    parts.append(gauge.entry(u, slice(1, None)) * v0 + u0 * gauge.entry(v, slice(1, None)))
  if pairs:
    bend = [row(u, 1 + a) * row(v, 1 + c) + row(u, 1 + c) * row(v, 1 + a) for a, c in pairs]
    first, second = gauge.entry(parts[1], slice(0, n)), gauge.entry(parts[1], slice(n, None))
    parts = [parts[0], first] + [row(second, p) + b for p, b in enumerate(bend)]
  return Complex(*[jnp.concatenate([getattr(c, name) for c in parts]) for name in ("re", "im")])


def _fence(c: Complex) -> Complex:
  # Without it XLA computes low degrees again for every monomial of a higher one.
  return Complex(*jax.lax.optimization_barrier((c.re, c.im)))


def _apply(plan: Plan, monomials: chex.Array) -> chex.Array:
  """monomials (..., 2M) [Re | Im] -> sections (..., 2 N_k)."""
  cast = lambda a: a.astype(monomials.dtype)
  multiply = lambda rows, w: _real_matmul(rows, w)
  if plan.kept is None:
    return multiply(monomials, plan.left)
  size = monomials.shape[-1] // 2
  both = np.concatenate([plan.kept, plan.kept + size])
  sections = monomials[..., both] * cast(np.tile(plan.scales, 2))
  if plan.left is None:
    return sections
  return sections + multiply(multiply(monomials, plan.left), plan.right)


def _real_matmul(rows: chex.Array, w: np.ndarray) -> chex.Array:
  """(..., 2P) [Re | Im] times w (P, Q) -> (..., 2Q)."""
  p, q = w.shape
  if not np.iscomplexobj(w):
    halves = rows.reshape(rows.shape[:-1] + (2, p))
    return jets.matmul(halves, w.astype(rows.dtype)).reshape(rows.shape[:-1] + (2 * q,))
  packed = np.block([[w.real, w.imag], [-w.imag, w.real]])
  return jets.matmul(rows, packed.astype(rows.dtype))


def make_plan(exponents, coefficients, blocks, degrees) -> Plan:
  order = np.zeros((1, 0), int)
  for s, degree in zip(blocks, degrees):
    factor = _monomials(s.stop - s.start, degree)
    order = np.concatenate(
        [order.repeat(len(factor), axis=0), np.tile(factor, (len(order), 1))], axis=1)
  index = {tuple(row): i for i, row in enumerate(order)}
  c = np.zeros((len(order), coefficients.shape[1]), coefficients.dtype)
  c[[index[tuple(row)] for row in exponents]] = coefficients
  factorials = np.array([math.factorial(e) for e in range(max(degrees) + 1)], float)
  scales = (factorials[degrees].prod() / factorials[order].prod(axis=1)) ** 0.5
  kept = np.argmax(np.abs(c) / scales[:, None], axis=0)
  rest = c / scales[:, None]
  rest[kept, np.arange(len(kept))] -= 1
  if not np.any(np.abs(rest) > _ROUNDING):
    return Plan(kept, scales[kept], None, None)
  # The rows of monomials that are dropped span all of the rest.
  right = rest[np.setdiff1d(np.arange(len(order)), kept)]
  rank = len(right)
  if 0 < rank and rank * sum(rest.shape) < rest.size:
    left = np.linalg.lstsq(right.T, rest.T, rcond=_ROUNDING)[0].T
    if np.max(np.abs(left @ right - rest)) < _ROUNDING * np.max(np.abs(c)):
      return Plan(kept, scales[kept], scales[:, None] * left, right)
  return Plan(None, None, c, None)
