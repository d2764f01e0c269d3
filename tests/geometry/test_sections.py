"""Sections of line bundles: their number, orthonormality on the variety, and raising the degree."""

import itertools
import math

import numpy as np
import pytest

from tests.geometry import varieties
from trainer.errors import UserError
from trainer.geometry import members, sections
from trainer.geometry.variety import Variety


def _values(basis, z):
  return np.prod(z[:, None, :] ** basis.exponents, axis=2) @ basis.coefficients


def _norms(variety, z, multidegree):
  return math.prod(
    np.sum(np.abs(z[:, s]) ** 2, axis=1) ** d for s, d in zip(variety.factor_slices, multidegree)
  )


def _euler_characteristic(variety, multidegree):
  """chi(X, O(d)) by the Koszul resolution; the number of sections where d is ample."""
  total = 0
  for size in range(variety.codimension + 1):
    for subset in itertools.combinations(range(variety.codimension), size):
      term = (-1) ** size
      for n, d, row in zip(variety.ambient, multidegree, variety.degrees):
        rest = d - sum(row[a] for a in subset)
        term *= math.prod(rest + j for j in range(1, n + 1)) // math.factorial(n)
      total += term
  return total


@pytest.mark.parametrize(
  "name, multidegree, count",
  [
    ("quintic", (4,), 70),
    ("quintic", (5,), 125),
    ("quintic", (6,), 205),
    ("quintic", (7,), 315),
    ("quintic", (8,), 460),
    ("cubic_pair", (3,), 54),
    ("cubic_pair", (4,), 114),
    ("cubic_pair", (6,), None),
    ("bicubic", (2, 2), 36),
    ("bicubic", (3, 3), 99),
    ("bicubic", (4, 4), 216),
    ("bicubic", (1, 3), None),
    ("tetraquadric", (2, 2, 2, 2), 80),
    ("triple", (2, 1, 2), None),
  ],
)
def test_count_and_norm_on_the_variety(name, multidegree, count):
  variety = varieties.random_variety(name)
  basis = sections.section_basis(variety, multidegree)
  expected = _euler_characteristic(variety, multidegree)
  assert basis.coefficients.shape == (len(basis.exponents), expected)
  assert count is None or count == expected
  z = varieties.some_points(variety, 10)
  np.testing.assert_allclose(
    np.sum(np.abs(_values(basis, z)) ** 2, axis=1), _norms(variety, z, multidegree), rtol=1e-12
  )


def test_monomials_outside_all_relations_stay_themselves():
  variety = Variety((4,), (members.fermat(5),), (1.0,))
  basis = sections.section_basis(variety, (5,))
  assert np.isrealobj(basis.coefficients)
  alone = np.count_nonzero(basis.coefficients, axis=0) == 1
  assert np.sum(alone) == 121
  rows = np.argmax(np.abs(basis.coefficients[:, alone]), axis=0)
  multinomials = math.factorial(5) / np.prod(
    [[math.factorial(e) for e in row] for row in basis.exponents[rows]], axis=1
  )
  np.testing.assert_allclose(np.sum(basis.coefficients[:, alone], axis=0), multinomials**0.5)


def test_basis_does_not_depend_on_how_the_relations_are_written():
  """The span of the polynomials decides, so that a form means the same metric everywhere."""
  variety = varieties.random_variety("cubic_pair")
  a, b = (np.array(q.coefficients) for q in variety.polynomials)
  make = lambda c: type(variety.polynomials[0])(variety.polynomials[0].exponents, tuple(c))
  assert variety.polynomials[0].exponents == variety.polynomials[1].exponents
  other = Variety(variety.ambient, (make(a - 2j * b), make(3 * b)), variety.moduli)
  np.testing.assert_allclose(
    sections.section_basis(other, (4,)).coefficients,
    sections.section_basis(variety, (4,)).coefficients,
    atol=1e-11,
  )


@pytest.mark.parametrize(
  "name, multidegree, other",
  [("quintic", (4,), (1,)), ("bicubic", (2, 1), (1, 2)), ("triple", (1, 1, 1), (1, 1, 1))],
)
def test_products_of_forms(name, multidegree, other):
  variety = varieties.random_variety(name)
  random = np.random.default_rng(0)
  total = tuple(np.add(multidegree, other).tolist())
  z = varieties.some_points(variety, 10)

  def form(degrees):
    size = sections.section_basis(variety, degrees).coefficients.shape[1]
    h = random.normal(size=(size, size, 2)) @ [1, 1j]
    return h @ h.conj().T

  def rho(h, degrees):
    s = _values(sections.section_basis(variety, degrees), z)
    return np.einsum("pi,ij,pj->p", s.conj(), h, s).real

  h, other_h = form(multidegree), form(other)
  product = sections.product(variety, multidegree, h, other, other_h)
  np.testing.assert_allclose(
    rho(product, total), rho(h, multidegree) * rho(other_h, other), rtol=1e-11
  )
  raised = sections.product(variety, multidegree, h, other)
  np.testing.assert_allclose(
    rho(raised, total), rho(h, multidegree) * _norms(variety, z, other), rtol=1e-11
  )
  identity = sections.product(variety, multidegree, np.eye(len(h)), other)
  np.testing.assert_allclose(identity, np.eye(len(identity)), atol=1e-12)


def test_bad_multidegrees_are_refused():
  variety = varieties.random_variety("bicubic")
  for multidegree in ((1,), (1, -1), (1, 0.5)):
    with pytest.raises(UserError, match="multidegree"):
      sections.section_basis(variety, multidegree)


def test_quotients_are_the_sections_of_a_double_cover():
  """s y_p of s = w z_i, w = q0 y0 / y1, on P1 x P2 [2; 3]."""
  polynomial = members.random_polynomial((1, 2), (2, 3), np.random.default_rng(0))
  variety = Variety((1, 2), (polynomial,), (1.0, 1.0))
  z = varieties.some_points(variety, 5)
  found = sections.quotients(variety, (0, 4))
  values = np.prod(z[:, None] ** found.exponents, axis=2)
  values = np.einsum("bm,pme->bpe", values, found.coefficients)
  exponents, coefficients = np.array(polynomial.exponents), np.array(polynomial.coefficients)
  first = exponents[:, 0] == 2
  q0 = np.prod(z[:, None, 2:] ** exponents[first, 2:], axis=2) @ coefficients[first]
  w = q0 * z[:, 0] / z[:, 1] / np.linalg.norm(coefficients)
  expected = z[:, :2, None] * (w[:, None] * z[:, 2:])[:, None]
  np.testing.assert_allclose(values, expected, rtol=1e-9)
  for multidegree in ((0, 2), (1, 4), (4, 0)):
    assert sections.quotients(variety, multidegree) is None
