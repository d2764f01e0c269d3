"""Polynomial deformations Q + t P, and which of them only move the variety in its ambient space.

P is trivial if P_a = sum_i xi_i dQ_a/dz_i + sum_b l_ab Q_b with a linear vector field xi in each
factor and forms l_ab: to first order Q + t P = 0 is then an image of X. All other P are classes in
H^1(T).
"""

from __future__ import annotations

import itertools

import numpy as np

from trainer.errors import UserError
from trainer.geometry import sections
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety

# What is left of a direction, relative to it, that is trivial up to rounding.
_TRIVIAL = 1e-9


def check_nontrivial(variety: Variety, named: dict[str, tuple[Polynomial, ...]]) -> None:
  """Raises UserError if a direction is trivial or nothing at all.

  Args:
    variety: X.
    named: name -> (P_1, .., P_K).
  """
  index = _coordinates(variety)
  span = _trivial(variety, index)
  for name, direction in named.items():
    row = _vector(index, [(a, e, c) for a, p in enumerate(direction) for e, c in _terms(p)])
    if not row.any():
      raise UserError(
        f"the polynomials do not change with {name} at its value: leave it out of "
        "config.variety.parameters"
      )
    rest = row - np.linalg.lstsq(span.T, row, rcond=None)[0] @ span
    if np.linalg.norm(rest) <= _TRIVIAL * np.linalg.norm(row):
      raise UserError(
        f"the parameter {name} only moves the manifold in its ambient space, its derivative is in "
        "the Jacobian ideal: leave it out of config.variety.parameters"
      )


def polynomial_basis(variety: Variety) -> dict[str, tuple[Polynomial, ...]]:
  """Monomials that span all polynomial deformations modulo the trivial ones, by their names.

  Returns:
    "z0*z1^2" -> (P_1, .., P_K), one P_a that monomial and the others nothing; "z0*z1^2 in Q2" where
    there are several polynomials.
  """
  index = _coordinates(variety)
  singular, vectors = np.linalg.svd(_trivial(variety, index))[1:]
  rank = np.count_nonzero(singular > _TRIVIAL * singular[0])
  # What is left of each monomial, then orthogonal to those that are chosen.
  left = np.eye(len(index)) - vectors[:rank].conj().T @ vectors[:rank]
  chosen = []
  for _ in range(len(index) - rank):
    chosen.append(int(np.argmax(np.linalg.norm(left, axis=0).round(6))))
    unit = left[:, chosen[-1]] / np.linalg.norm(left[:, chosen[-1]])
    left = left - np.outer(unit, unit.conj() @ left)
  several, rows = variety.codimension > 1, list(index)
  basis = {}
  for a, exponents in (rows[i] for i in sorted(chosen)):
    powers = [f"z{i}" + f"^{e}" * (e > 1) for i, e in enumerate(exponents) if e]
    name = "*".join(powers) + f" in Q{a + 1}" * several
    nothing, p = Polynomial((), ()), Polynomial((exponents,), (1.0,))
    basis[name] = tuple(p if b == a else nothing for b in range(variety.codimension))
  return basis


def _coordinates(variety):
  """(a, exponents) -> the number of a coefficient of (P_1, .., P_K)."""
  columns = zip(*variety.degrees)
  rows = [
    (a, tuple(row))
    for a, degree in enumerate(columns)
    for row in np.asarray(sections.monomials(variety.ambient, degree)).tolist()
  ]
  return {row: i for i, row in enumerate(rows)}


def _trivial(variety, index):
  """Directions that span the trivial ones, (R, C) complex of length 1."""
  rows = []
  for s in variety.factor_slices:
    for i, j in itertools.product(range(s.start, s.stop), repeat=2):
      terms = [
        (a, tuple(e + (k == j) for k, e in enumerate(row)), c)
        for a, gradient in enumerate(variety.gradients)
        for row, c in _terms(gradient[i])
      ]
      rows.append(_vector(index, terms))
  for a, b in itertools.product(range(variety.codimension), repeat=2):
    degree = tuple(row[a] - row[b] for row in variety.degrees)
    if min(degree) >= 0:
      for shift in np.asarray(sections.monomials(variety.ambient, degree)).tolist():
        terms = [
          (a, tuple(x + y for x, y in zip(row, shift, strict=True)), c)
          for row, c in _terms(variety.polynomials[b])
        ]
        rows.append(_vector(index, terms))
  rows = np.array([row for row in rows if row.any()])
  return rows / np.linalg.norm(rows, axis=1)[:, None]


def _terms(polynomial):
  return zip(polynomial.exponents, polynomial.coefficients, strict=True)


def _vector(index, terms):
  vector = np.zeros(len(index), complex)
  for a, row, c in terms:
    vector[index[a, tuple(row)]] += c
  return vector
