"""Yukawa couplings of polynomial deformations from the Jacobian ring, up to one common factor.

With F = sum_a y_a Q_a let R_k be the polynomials of degree k in y, of multidegree sum A_a beta_a in
z where the power of y is y^A, modulo the partial derivatives of F by all y_a and z_i. R_n is one
line, and kappa_ij.. = L(p_i p_j ..) for p_i = sum_a y_a P_a of n deformations, L linear on R_n
(Griffiths, Ann. Math. 90 (1969); of one polynomial Candelas, Nucl. Phys. B 298 (1988); of several
Konno, Compos. Math. 88 (1993)).
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import scipy.linalg
import scipy.sparse

from trainer.geometry import sections
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety

# Monomials of R_n at most: a matrix of their number is factored.
_MOST = 10_000
# What is added to the matrix's diagonal, and what of it a null vector may have, relative to its
# largest.
_SHIFT, _NULL = 1e-13, 1e-11
_ITERATIONS = 4


def couplings(variety: Variety, directions: list[tuple[Polynomial, ...]]) -> np.ndarray | None:
  """kappa_ij.. of deformations, up to one complex factor.

  Args:
    variety: X, of dimension n.
    directions: m of them, (P_1, .., P_K) each.

  Returns:
    (m,) * n complex, symmetric; None where R_n has too many monomials or is not one line.
  """
  values = _functional(variety)
  if values is None:
    return None
  above = _monomials(variety, variety.dimension)
  for power in range(variety.dimension - 1, -1, -1):
    below = _monomials(variety, power)
    contracted = [
      sum(c * values[..., _places(above, below + key)] for key, c in _terms(variety, direction))
      for direction in directions
    ]
    values, above = np.stack(contracted, axis=-2), below
  return values[..., 0]


@functools.lru_cache(maxsize=4)
def _functional(variety):
  """L on the monomials of R_n, of length 1; None if there are too many or several such."""
  top = _monomials(variety, variety.dimension)
  size = len(top)
  if size > _MOST:
    return None
  ideal = _ideal(variety, top)
  gram = (ideal.conj().T @ ideal).toarray()
  scale = np.max(np.abs(np.diagonal(gram)))
  gram[np.diag_indices(size)] += _SHIFT * scale
  factor = scipy.linalg.cho_factor(gram, overwrite_a=True, check_finite=False)
  # Two, by inverse iteration: a second null vector is one too many.
  pair = np.random.default_rng(0).normal(size=(size, 2)).astype(gram.dtype)
  for _ in range(_ITERATIONS):
    pair = np.linalg.qr(scipy.linalg.cho_solve(factor, pair, check_finite=False))[0]
  left, turn = np.linalg.svd(ideal @ pair, full_matrices=False)[1:]
  alone = left[1] ** 2 < _NULL * scale < left[0] ** 2
  return pair @ turn[1].conj() if alone else None


def _ideal(variety, top):
  """Multiples of the derivatives of F in R_n, sparse (G, M): L is orthogonal to the rows."""
  n, columns = variety.dimension, list(zip(*variety.degrees, strict=True))
  parts = []

  def add(power, shift, terms):
    multiples = _monomials(variety, power, shift)
    if terms and len(multiples):
      keys, coefficients = zip(*terms, strict=True)
      places = _places(top, multiples[:, None] + np.array(keys)).ravel()
      rows = np.repeat(np.arange(len(multiples)), len(keys))
      values = np.tile(coefficients, len(multiples))
      shape = len(multiples), len(top)
      parts.append(scipy.sparse.csr_array((values, (rows, places)), shape))

  for a, polynomial in enumerate(variety.polynomials):
    add(n, tuple(-d for d in columns[a]), _keys(variety, None, polynomial))
  for factor, of_factor in enumerate(variety.factor_slices):
    one = tuple(int(f == factor) for f in range(len(variety.ambient)))
    for i in range(of_factor.start, of_factor.stop):
      gradient = tuple(row[i] for row in variety.gradients)
      add(n - 1, one, _terms(variety, gradient))
  ideal = scipy.sparse.vstack(parts).tocsr()
  return ideal if np.any(ideal.data.imag) else ideal.real


def _terms(variety, of_polynomials):
  """Keys and coefficients of sum_a y_a P_a."""
  return [term for a, p in enumerate(of_polynomials) for term in _keys(variety, a, p)]


def _keys(variety, a, polynomial):
  """Keys and coefficients of y_a P, of P if a is None."""
  y = [int(b == a) for b in range(variety.codimension)]
  weights = _weights(variety)
  return [
    (int(weights @ np.array([*y, *row])), c)
    for row, c in zip(polynomial.exponents, polynomial.coefficients, strict=True)
  ]


def _weights(variety):
  """Of a monomial's key: a number whose digits are its exponents, in a base above all of R_n."""
  base = 1 + max(variety.dimension * max(row) for row in variety.degrees)
  return base ** np.arange(variety.codimension + variety.num_coordinates, dtype=np.int64)


@functools.lru_cache(maxsize=64)
def _monomials(variety, power, shift=None):
  """Keys (M,), sorted, of y^A z^e of degree `power` in y, in z of its multidegree plus a shift.

  The key of a product is the sum.
  """
  shift = shift or (0,) * len(variety.ambient)
  found = [np.zeros((0, variety.codimension + variety.num_coordinates), np.int64)]
  for chosen in itertools.combinations_with_replacement(range(variety.codimension), power):
    y = np.bincount(np.array(chosen, int), minlength=variety.codimension)
    degree = np.array(variety.degrees) @ y + shift
    if np.all(degree >= 0):
      z = sections.monomials(variety.ambient, degree.tolist())
      found.append(np.concatenate([np.tile(y, (len(z), 1)), z], axis=1))
  return np.sort(np.concatenate(found) @ _weights(variety))


def _places(monomials, keys):
  """Which monomials those with these keys are."""
  return np.searchsorted(monomials, keys)
