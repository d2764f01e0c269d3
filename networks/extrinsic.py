"""Scalars that say how a complete intersection bends in its ambient space.

The metric is that of Fubini-Study, sum_i t_i g_i. Let v^a be the gradients dQ^a of the polynomials
made orthonormal, h^a their Hessians in the same combinations and P the projector onto the tangent
space of X. Then A^a = P^T h^a P is the second fundamental form, and M = sum_a A^a A^a* the Ricci
form of the induced metric up to terms of the ambient one (Gauss' equation). The scalars are smooth
on X and do not change under unitary changes of the coordinates of a factor:

  F = log det <dQ^a, dQ^b>, which is log(det g / |Omega|^2) of the induced metric up to a constant,
  |d F|^2 = |sum_a P^T h^a conj(v^a)|^2,  |II|^2 = tr M,  tr M^2,
  and the share of each factor in the normal space.

A Ricci-flat metric g + d dbar phi has, to first order, F as the Laplacian of phi up to a sign and a
constant: where phi varies fast, it depends on these.

Shape letters: A rows, F features, N complex ambient coordinates, K polynomials, m factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
import itertools
import operator

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import gauge, jets, jets22
from networks.algebraic import squared_norms
from networks.sections import monomial_means, monomial_rows
from networks.split_complex import Complex

# Exponents (M, N) and coefficients (M,).
Polynomial = tuple[np.ndarray, np.ndarray]


def scalars(
  ambient: Sequence[int],
  moduli: Sequence[float],
  polynomials: Sequence[Polynomial],
  x: chex.Array | jets.Jet,
) -> chex.Array | jets.Jet:
  """[F | log(1 + |d F|^2) | log(1 + |II|^2) | log(1 + tr M^2) | shares], as explained above.

  Args:
    ambient: (n_1, .., n_m).
    moduli: (t_1, .., t_m).
    polynomials: the K polynomials Q^a, homogeneous; their scale does not matter.
    x: (..., 2N) real, [Re z, Im z] of points of X in any scaling of each factor, or the
      Jet of these coordinates.

  Returns:
    (..., 4 + m - 1), an array or a jet, like x. The last are sum_a |v^a_i|^2 of the factors i < m.
  """
  chex.assert_equal(x.shape[-1], 2 * (sum(ambient) + len(ambient)))
  logs, normals, hessians, projector = _normal_space(ambient, moduli, polynomials, x)
  half = [_product(projector.conj(), h) for h in hessians]
  forms = [_product(h, projector) for h in half]
  ricci = _total([_product(form, _transpose(form).conj()) for form in forms])
  slope = _total(
    [
      _on_rows(lambda a: a.sum(-1), h * _on_rows(lambda a: a[..., None, :], v.conj()))
      for h, v in zip(half, normals, strict=True)
    ]
  )
  curvature = [
    _squared(slope),
    _on_rows(lambda a: jnp.trace(a, axis1=-2, axis2=-1)[..., None], ricci.re),
    _squared(_on_rows(lambda a: a.reshape(*a.shape[:-2], -1), ricci)),
  ]
  shares = _total([(v * v.conj()).re for v in normals])
  shares = [
    _on_rows(lambda a: a[..., real].sum(-1, keepdims=True), shares)
    for real, _ in gauge.factors(ambient)[:-1]
  ]
  return jets.concatenate([_total(logs), *[jets.log(s + 1.0) for s in curvature], *shares])


def _normal_space(ambient, moduli, polynomials, x):
  """log nu_a, v^a and h^a (lists over a) and P.

  nu_a is |dQ^a|^2 without what lies along the gradients before it. Coordinates of factor i are
  scaled by (t_i / |z^(i)|^2)^(1/2) and polynomials by their degree in |z|.
  """
  parts = gauge.factors(ambient)
  factor = np.repeat(np.arange(len(ambient)), [n + 1 for n in ambient])
  cast = lambda a: np.asarray(a, jets.dtype(x))
  norms = (
    jets.log(squared_norms(ambient, x))
    if isinstance(x, jets.Jet)
    else jnp.zeros((*x.shape[:-1], len(parts)), x.dtype)
  )
  power = lambda exponents: _power(norms, cast(exponents))
  # Cotangents along a factor have the length (|z|^2 / t)^(1/2).
  unit = np.eye(len(ambient))[:, factor]
  root = np.asarray(moduli, float)[factor] ** -0.5

  z = _evaluate(
    ambient, [(row[None], np.ones(1)) for row in np.eye(len(factor), dtype=int)], x
  ) * power(-0.5 * unit)
  projector = -_on_rows(lambda a: a * cast(factor[:, None] == factor), _outer(z, z))
  projector = Complex(projector.re + cast(np.eye(len(factor))), projector.im)
  logs, normals, hessians = [], [], []
  for polynomial in polynomials:
    polynomial = _normalised(ambient, polynomial)
    weight = unit - _degrees(parts, polynomial)[:, None]
    v = _derivatives(ambient, polynomial, 1, x) * power(0.5 * weight) * cast(root)
    pairs = (weight[:, :, None] + unit[:, None]).reshape(len(parts), -1)
    h = _derivatives(ambient, polynomial, 2, x) * power(0.5 * pairs)
    h = _on_rows(lambda a: a.reshape(*a.shape[:-1], len(factor), len(factor)), h) * cast(
      np.outer(root, root)
    )
    for normal, hessian in zip(normals, hessians, strict=True):
      along = _sum(v * normal.conj())
      v, h = v - along * normal, h - _on_rows(lambda a: a[..., None], along) * hessian
    logs.append(jets.log(_squared(v)))
    inverse = jets.activate("exp", logs[-1] * -0.5)
    normals.append(_fence(v * inverse))
    hessians.append(_fence(h * _on_rows(lambda a: a[..., None], inverse)))
    projector = _fence(projector - _outer(normals[-1].conj(), normals[-1].conj()))
  return logs, normals, hessians, projector


def _on_rows(f: Callable, u):
  """A linear map of the last axes, applied to an array, a jet, or both parts of a complex one."""
  if isinstance(u, Complex):
    return Complex(_on_rows(f, u.re), _on_rows(f, u.im))
  return u.map_rows(f) if isinstance(u, jets.Jet) else f(u)


def _fence(u: Complex) -> Complex:
  """Keeps what several later stages read, each of which XLA would compute it again for."""
  parts = [part.rows if isinstance(part, jets.Jet) else part for part in (u.re, u.im)]
  parts = iter(jax.lax.optimization_barrier(parts))
  return _on_rows(lambda a: next(parts), u)


def _total(terms):
  return functools.reduce(operator.add, terms)


def _sum(u):
  return _on_rows(lambda a: a.sum(-1, keepdims=True), u)


def _squared(u: Complex):
  return _sum((u * u.conj()).re)


def _transpose(u):
  return _on_rows(lambda a: jnp.swapaxes(a, -1, -2), u)


def _outer(u: Complex, v: Complex) -> Complex:
  """u_i conj(v_j)."""
  return _on_rows(lambda a: a[..., None], u) * _on_rows(lambda a: a[..., None, :], v.conj())


def _product(u: Complex, v: Complex) -> Complex:
  """Of matrices (..., N, N)."""
  terms = _on_rows(lambda a: a[..., None], u) * _on_rows(lambda a: a[..., None, :, :], v)
  return _fence(_on_rows(lambda a: a.sum(-2), terms))


def _power(logs, exponents: np.ndarray):
  """prod_i r_i^(e_if) from log r_i (..., m) and e (m, F) -> (..., F)."""
  return jets.activate("exp", _on_rows(lambda a: jets.matmul(a, exponents), logs))


def _derivatives(ambient, polynomial: Polynomial, order: int, x) -> Complex:
  """All partial derivatives of an order, the last index fastest: (..., N ** order)."""
  partials = [polynomial]
  for _ in range(order):
    partials = [_partial(p, k) for p in partials for k in range(polynomial[0].shape[1])]
  return _evaluate(ambient, partials, x)


def _partial(polynomial: Polynomial, k: int) -> Polynomial:
  exponents, coefficients = polynomial
  kept = exponents[:, k] > 0
  lowered = exponents[kept].copy()
  lowered[:, k] -= 1
  return lowered, coefficients[kept] * exponents[kept, k]


def _evaluate(ambient, polynomials: Sequence[Polynomial], x) -> Complex:
  """Homogeneous polynomials, of any multidegrees, in the gauge of `networks.gauge`: (..., P)."""
  parts, groups = gauge.factors(ambient), {}
  for place, polynomial in enumerate(polynomials):
    degrees = tuple(_degrees(parts, polynomial)) if len(polynomial[0]) else None
    groups.setdefault(degrees, []).append(place)
  order = list(itertools.chain(*groups.values()))
  rows = [
    _rows(ambient, degrees, [polynomials[place] for place in places], x)
    for degrees, places in groups.items()
  ]
  back = np.argsort(order)
  merged = Complex(
    *[
      jnp.concatenate([getattr(r, part) for r in rows], axis=-1)[..., back] for part in ("re", "im")
    ]
  )
  return _holomorphic(merged, x)


def _rows(ambient, degrees, polynomials: Sequence[Polynomial], x) -> Complex:
  """Rows (A, ..., P) of polynomials of one multidegree and of their derivatives.

  degrees is None where they vanish.
  """
  parts = gauge.factors(ambient)
  used = [i for i, degree in enumerate(degrees or ()) if degree]
  if not used:
    values = [c.sum() for _, c in polynomials]
    frame = gauge.frame(x, *parts[0]).re[..., :1] if isinstance(x, jets.Jet) else x[None, ..., :1]
    one = jnp.zeros_like(frame).at[0].set(1)
    return Complex(one * np.real(values).astype(one.dtype), one * np.imag(values).astype(one.dtype))
  # Factors that do not appear drop out.
  real, imaginary = zip(*[parts[i] for i in used])
  x = jets.concatenate([x[..., part] for part in (*real, *imaginary)])
  exponents, inverse = np.unique(
    np.concatenate([e for e, _ in polynomials]), axis=0, return_inverse=True
  )
  column = np.repeat(np.arange(len(polynomials)), [len(e) for e, _ in polynomials])
  coefficients = np.zeros((len(exponents), len(polynomials)), complex)
  np.add.at(
    coefficients, (inverse.reshape(-1), column), np.concatenate([c for _, c in polynomials])
  )
  exponents = np.concatenate([exponents[:, part] for part in real], axis=1)
  monomials = monomial_rows(exponents, [ambient[i] for i in used], x)
  re, im = coefficients.real.astype(jets.dtype(x)), coefficients.imag.astype(jets.dtype(x))
  packed = jets.matmul(
    jnp.concatenate([monomials.re, monomials.im], axis=-1), np.block([[re, im], [-im, re]])
  )
  return Complex(*jnp.split(packed, 2, axis=-1))


def _holomorphic(rows: Complex, x) -> Complex:
  """A holomorphic function from its rows (A, ..., P), as two arrays or two jets.

  d_a Re f = f_a / 2, d_a Im f = f_a / 2i.
  """
  if not isinstance(x, jets.Jet):
    return rows[0]
  n = x.num_directions
  zeros = lambda count: jnp.zeros((count, *rows.re.shape[1:]), rows.re.dtype)
  half = lambda c, part: [0.5 * c.re[part], 0.5 * c.im[part]]

  def part(f):
    blocks = [f.re[:1], *half(f, slice(1, 1 + n)), zeros(n * n)]
    if isinstance(x, jets22.Jet22):
      m = n * (n + 1) // 2
      blocks += [*half(f, slice(1 + n, None)), zeros(2 * m * n + m * m)]
    return type(x)(jnp.concatenate(blocks))

  return Complex(part(rows), part(Complex(rows.im, -rows.re)))


def _degrees(parts, polynomial: Polynomial) -> np.ndarray:
  return np.array([polynomial[0][0, real].sum() for real, _ in parts], int)


def _normalised(ambient, polynomial: Polynomial) -> Polynomial:
  """The polynomial whose |Q|^2 / prod_i |z^(i)|^(2 d_i) has the mean 1 over the ambient space."""
  exponents, coefficients = np.asarray(polynomial[0], int), np.asarray(polynomial[1], complex)
  mean = (np.abs(coefficients) ** 2 * monomial_means(ambient, exponents)).sum()
  return exponents, coefficients / np.sqrt(mean)
