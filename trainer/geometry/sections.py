"""Holomorphic sections of line bundles on a variety: monomials modulo its polynomials.

The monomials z^m of multidegree d, scaled by sqrt(prod_i d_i! / prod_j m_j!), make a vector v(z)
with v* v = prod_i |z^(i)|^{2 d_i}. A multiple of a polynomial Q_a in that degree is a relation
r . v = 0 on X, so v lies in the orthogonal complement of the conjugate relations. With an
orthonormal basis U of that complement, s = U* v has s* s = v* v on X: the Hermitian form H = 1 in
rho = s* H s is the Fubini-Study metric exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import itertools
import math
from typing import NamedTuple

import chex
import numpy as np

from networks.terms import Quotients
from trainer.errors import UserError
from trainer.geometry import kaehler_class
from trainer.geometry.variety import Variety, factor_slices

# Relations of relative size below this are combinations of the others.
_DEPENDENT = 1e-9
# Of the monomials that relations can be solved for as well as this, relative to the best, the
# first is dropped: those that are left then come in few runs, which makes them fast to evaluate.
# An odd number, never a tie.
_PIVOT = 0.0971
_ROUNDING = 1e-14


class SectionBasis(NamedTuple):
  """Sections s_k(z) = sum_m z^m C_mk with s* s = prod_i |z^(i)|^{2 d_i} on the variety.

  Attributes:
    exponents: (M, N) int, all monomials of the multidegree, in the order of `monomials`.
    coefficients: (M, N_k) complex, C = diag(monomial_scales) conj(U).
  """

  exponents: np.ndarray
  coefficients: np.ndarray


@functools.lru_cache(maxsize=32)
def section_basis(variety: Variety, multidegree: tuple[int, ...]) -> SectionBasis:
  """An orthonormal basis of the sections of a multidegree (d_1, .., d_m) from the ambient space.

  As many monomials as there are relations are dropped; U is the orthonormal basis nearest to the
  monomials that are kept, U = P_kept (P_kept,kept)^{-1/2} with P the projector, so that monomials
  in no relation stay themselves. It depends on P and on which monomials are kept only, not on the
  linear algebra library: a form H means the same metric on every machine.

  Args:
    variety: the manifold.
    multidegree: one degree 0 or more for each ambient factor.

  Returns:
    The basis; its arrays are read-only.

  Raises:
    UserError: wrong number of degrees, a negative one, or no sections.
  """
  if len(multidegree) != len(variety.ambient) or any(d < 0 or d != int(d) for d in multidegree):
    raise UserError(
      f"the multidegree {tuple(multidegree)} of sections must be one whole number, 0 or "
      f"more, for each of the {len(variety.ambient)} projective spaces"
    )
  exponents = monomials(variety.ambient, multidegree)
  scales = monomial_scales(variety.ambient, exponents)
  unitary = _complement(_conjugate_relations(variety, multidegree, exponents, scales))
  coefficients = scales[:, None] * unitary.conj()
  exponents.flags.writeable = coefficients.flags.writeable = False
  return SectionBasis(exponents, coefficients)


def sections_of_class(variety: Variety, degree: int) -> SectionBasis:
  """The sections of multidegree k t, t the Kaehler moduli.

  Potentials log s* H s / (pi k) lie in the class t.

  Raises:
    UserError: k t is not integral.
  """
  return section_basis(variety, multidegree_of_class(variety, degree))


def terms_of_class(
  variety: Variety, degree: int
) -> tuple[tuple[float | np.ndarray | Quotients | None, ...], ...]:
  """The fields of each networks.terms.Term of degree k, see kaehler_class.terms.

  Potentials sum_j (c_j / pi) log s_j* H_j s_j lie in the class t, the Kaehler moduli.
  """
  terms = kaehler_class.terms(variety.ambient, variety.moduli, degree)
  if len(terms) == 1:
    return tuple((weight, *section_basis(variety, multidegree)) for weight, multidegree in terms)
  return tuple((c, *section_basis(variety, m), quotients(variety, m)) for c, m in terms)


def quotients(variety: Variety, multidegree: tuple[int, ...]) -> Quotients | None:
  """The sections on a hypersurface that are not from the ambient space, for a degree 0 in a P1.

  A polynomial q0 y0^2 + q1 y0 y1 + q2 y1^2 makes a double cover of the other factors, on which
  w = q0 y0 / y1 = -(q1 y0 + q2 y1) / y0 is a section, too. All are w times monomials.
  """
  if len(variety.polynomials) > 1:
    return None
  (polynomial,), degrees = variety.polynomials, [row[0] for row in variety.degrees]
  for factor, (n, q, d) in enumerate(zip(variety.ambient, degrees, multidegree)):
    rest = tuple(0 if i == factor else a - b for i, (a, b) in enumerate(zip(multidegree, degrees)))
    if (n, q, d) == (1, 2, 0) and min(rest) >= 0:
      break
  else:
    return None
  y0, y1 = range(*variety.factor_slices[factor].indices(variety.num_coordinates))
  lifted = tuple(1 if i == factor else d for i, d in enumerate(multidegree))
  exponents = monomials(variety.ambient, lifted)
  index = {tuple(row): i for i, row in enumerate(exponents)}
  factors = monomials(variety.ambient, rest)
  scales = monomial_scales(variety.ambient, factors)
  c = np.zeros((2, len(exponents), len(factors)), complex)
  terms, values = np.array(polynomial.exponents), np.array(polynomial.coefficients)
  values = values / np.linalg.norm(values)
  for e, (row, scale) in enumerate(zip(factors, scales)):
    for term, value in zip(terms, values):
      first = term[y0] == 2
      shifted = term + row
      shifted[y0 if first else y1] -= 1
      c[1 if first else 0, index[tuple(shifted)], e] += scale * (value if first else -value)
  return Quotients(factor, exponents, c)


def multidegree_of_class(variety: Variety, degree: int) -> tuple[int, ...]:
  """k t, t the Kaehler moduli; UserError if it is not integral."""
  multidegree = kaehler_class.whole_multidegree(variety.moduli, degree)
  if multidegree is None:
    raise UserError(
      f"degree = {degree} times the Kaehler moduli {variety.moduli} must be whole numbers here; "
      "the network algebraic(degree=k) takes any moduli"
    )
  return multidegree


def expected_count(variety: Variety, multidegree: Sequence[int]) -> int:
  """The number of sections of a multidegree, of independent polynomials by Koszul's resolution.

  sum_S (-1)^|S| prod_i binom(n_i + d_i - sum_{a in S} q_ai, n_i) over sets S of polynomials: no
  linear algebra.
  """
  total = 0
  for size in range(variety.codimension + 1):
    for chosen in itertools.combinations(zip(*variety.degrees), size):
      rest = [d - sum(q[i] for q in chosen) for i, d in enumerate(multidegree)]
      if min(rest) >= 0:
        total += (-1) ** size * kaehler_class.num_monomials(variety.ambient, rest)
  return total


def monomials(ambient: Sequence[int], multidegree: Sequence[int]) -> np.ndarray:
  """Exponents (M, N) of all monomials of a multidegree, z_0^d first, the last factor's fastest."""
  factors = []
  for n, d in zip(ambient, multidegree, strict=True):
    choices = itertools.combinations_with_replacement(range(n + 1), d)
    factors.append([[choice.count(i) for i in range(n + 1)] for choice in choices])
  return np.array([sum(parts, []) for parts in itertools.product(*factors)], int)


def unitary(ambient: Sequence[int], basis: SectionBasis) -> np.ndarray:
  """U (M, N_k) complex: scaled monomials are v = U s for the sections s of a basis."""
  return basis.coefficients.conj() / monomial_scales(ambient, basis.exponents)[:, None]


def monomial_scales(ambient: Sequence[int], exponents: np.ndarray) -> np.ndarray:
  """sqrt(prod_i d_i! / prod_j m_j!) for rows of exponents m (M, N) -> (M,)."""
  factorials = np.array([math.factorial(e) for e in range(exponents.sum(axis=1).max() + 1)], float)
  degrees = np.stack([exponents[:, s].sum(axis=1) for s in factor_slices(tuple(ambient))], axis=1)
  return np.sqrt(factorials[degrees].prod(axis=1) / factorials[exponents].prod(axis=1))


def product(
  variety: Variety,
  multidegree: tuple[int, ...],
  h: np.ndarray,
  other: tuple[int, ...],
  other_h: np.ndarray | None = None,
) -> np.ndarray:
  """The form of multidegree d + e whose rho is the product of two: rho_{d+e} = rho_d rho_e.

  Of whole multiples d = a t and e = b t of a class: K_{a+b} = (a K_a + b K_b) / (a + b).

  Args:
    variety: the manifold.
    multidegree: d.
    h: (N_d, N_d) complex Hermitian, in the basis section_basis(variety, d).
    other: e, one number 0 or more for each factor.
    other_h: (N_e, N_e) complex Hermitian, in the basis section_basis(variety, e); by default that
      of Fubini-Study, rho_e = prod_i |z^(i)|^{2 e_i}.

  Returns:
    (N_{d+e}, N_{d+e}) complex Hermitian, in the basis section_basis(variety, d + e).
  """
  exponents, form = _in_monomials(variety, multidegree, h)
  if other_h is None:
    factors = monomials(variety.ambient, other)
    other_form = np.diag(monomial_scales(variety.ambient, factors) ** 2)
  else:
    factors, other_form = _in_monomials(variety, other, other_h)
  total = tuple(d + e for d, e in zip(multidegree, other, strict=True))
  new_exponents, scales, unitary = _scaled(variety, total)
  index = {tuple(row): i for i, row in enumerate(new_exponents)}
  to = [np.array([index[tuple(row)] for row in exponents + factor]) for factor in factors]
  result = np.zeros((len(new_exponents),) * 2, complex)
  for a, b in zip(*np.nonzero(other_form)):
    result[np.ix_(to[a], to[b])] += other_form[a, b] * form
  result = unitary.conj().T @ (result / np.outer(scales, scales)) @ unitary
  return (result + result.conj().T) / 2


def _in_monomials(variety, multidegree, h):
  """Exponents (M, N) and G (M, M) with s* H s = sum_mn conj(z^m) G_mn z^n."""
  exponents, scales, u = _scaled(variety, multidegree)
  chex.assert_shape(h, (u.shape[1],) * 2)
  return exponents, scales[:, None] * (u @ h @ u.conj().T) * scales


def _scaled(variety, multidegree):
  """Exponents, scales and U of a basis."""
  basis = section_basis(variety, tuple(multidegree))
  scales = monomial_scales(variety.ambient, basis.exponents)
  return basis.exponents, scales, unitary(variety.ambient, basis)


def _conjugate_relations(variety, multidegree, exponents, scales):
  """An orthonormal basis (M, r) of the conjugate multiples of the polynomials in this degree."""
  index = {tuple(row): i for i, row in enumerate(exponents)}
  columns = []
  for polynomial, degree in zip(variety.polynomials, zip(*variety.degrees)):
    rest = tuple(d - q for d, q in zip(multidegree, degree))
    if min(rest) < 0:
      continue
    terms = np.array(polynomial.exponents)
    for factor in monomials(variety.ambient, rest):
      column = np.zeros(len(exponents), complex)
      column[[index[tuple(row)] for row in terms + factor]] = polynomial.coefficients
      columns.append((column / scales).conj())
  if not columns:
    return np.zeros((len(exponents), 0))
  relations = np.stack(columns, axis=1)
  if not relations.imag.any():
    relations = relations.real
  relations = relations / np.linalg.norm(relations, axis=0)
  left, singular, _ = np.linalg.svd(relations, full_matrices=False)
  return left[:, singular > _DEPENDENT * singular[0]]


def _complement(v):
  """U (M, M - r) as in `section_basis`, for the complement of orthonormal columns v (M, r).

  With v_kept = X Sigma Y* and v_dropped Y = Z C, the cosines C^2 = 1 - Sigma^2:
  U_kept = 1 - X (1 - C) X* and U_dropped = -Z Sigma X*. Z is made orthonormal to rounding,
  however small the cosines are.
  """
  size, rank = v.shape
  if rank == size:
    raise UserError("the variety has no sections of this degree; use a higher degree")
  if rank == 0:
    return np.eye(size)
  dropped = _pivots(v)
  kept = np.setdiff1d(np.arange(size), dropped)
  x, sigma, y = np.linalg.svd(v[kept], full_matrices=False)
  z = v[dropped] @ y.conj().T
  cosine = np.linalg.norm(z, axis=0)
  left, _, right = np.linalg.svd(z / cosine, full_matrices=False)
  unitary = np.zeros((size, size - rank), v.dtype)
  unitary[kept] = np.eye(size - rank) - (x * (1 - cosine)) @ x.conj().T
  unitary[dropped] = -(left @ right * sigma) @ x.conj().T
  for part in (unitary.real, unitary.imag) if np.iscomplexobj(unitary) else (unitary,):
    part[np.abs(part) < _ROUNDING] = 0
  return unitary


def _pivots(v):
  """As many independent rows of v (M, r) as it has columns, early ones preferred."""
  rows, chosen = v.copy(), []
  for _ in range(v.shape[1]):
    norms = np.sqrt(np.sum(np.abs(rows) ** 2, axis=1))
    pivot = np.flatnonzero(norms >= _PIVOT * norms.max())[0]
    chosen.append(pivot)
    direction = rows[pivot] / norms[pivot]
    # No matrix products: threaded ones of this size wait for each other on a busy machine.
    rows = rows - np.sum(rows * direction.conj(), axis=1, keepdims=True) * direction
  return np.sort(chosen)
