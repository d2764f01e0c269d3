"""Couplings of the Jacobian ring by hand, and of directions that are none."""

import numpy as np
import pytest

from tests.geometry.varieties import random_variety
from trainer.geometry import jacobian_ring, members, sections
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety


def _monomials(*rows):
  return [(Polynomial((row,), (1.0,)),) for row in rows]


def test_fermat_quintic():
  """z^m is a multiple of z0^3 z1^3 .. z4^3 or in the ideal (z0^4, .., z4^4)."""
  variety = Variety((4,), (members.dwork(5, 0.0),), (1.0,))
  directions = _monomials((1,) * 5, (3, 2, 0, 0, 0), (0, 1, 3, 1, 0), (0, 0, 0, 2, 3))
  kappa = jacobian_ring.couplings(variety, directions)
  expected = np.zeros((4, 4, 4))
  expected[0, 0, 0] = 1
  for index in ((1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)):
    expected[index] = 1
  np.testing.assert_allclose(kappa / kappa[0, 0, 0], expected, atol=1e-12)


def test_dwork_quartic():
  """z_i^4 = psi z0 z1 z2 z3 for all i."""
  psi = 0.3 + 0.2j
  variety = Variety((3,), (members.dwork(4, psi),), (1.0,))
  directions = _monomials((1, 1, 1, 1), (4, 0, 0, 0), (0, 4, 0, 0), (2, 2, 0, 0), (0, 0, 2, 2))
  kappa = jacobian_ring.couplings(variety, directions)
  kappa = kappa / kappa[0, 0]
  assert kappa[0, 1] == pytest.approx(psi) and kappa[1, 2] == pytest.approx(psi**2)
  assert kappa[3, 4] == pytest.approx(1) and kappa[0, 3] == pytest.approx(0, abs=1e-12)
  # z0^4 z1^4 = psi z0 z1^5 z2 z3 again.
  assert kappa[3, 3] == pytest.approx(psi**2)


def _trivial(variety):
  """A linear vector field on the polynomials, with multiples of one in another."""
  pieces = []
  for a, gradient in enumerate(variety.gradients):
    rng, terms = np.random.default_rng(2), {}  # The field is the same for all polynomials.
    for s in variety.factor_slices:
      for i in range(s.start, s.stop):
        for j in range(s.start, s.stop):
          c = rng.normal()
          for row, of in zip(gradient[i].exponents, gradient[i].coefficients, strict=True):
            moved = tuple(e + (k == j) for k, e in enumerate(row))
            terms[moved] = terms.get(moved, 0) + c * of
    for b, other in enumerate(variety.polynomials):
      degree = [row[a] - row[b] for row in variety.degrees]
      if min(degree) >= 0:
        for shift in sections.monomials(variety.ambient, degree):
          c = np.cos(shift @ np.arange(len(shift)))
          for row, of in zip(other.exponents, other.coefficients, strict=True):
            moved = tuple((np.array(row) + shift).tolist())
            terms[moved] = terms.get(moved, 0) + c * of
    pieces.append(Polynomial(tuple(terms), tuple(terms.values())))
  return tuple(pieces)


def _member(ambient, degrees):
  rng = np.random.default_rng(3)
  polynomials = [members.random_polynomial(ambient, d, rng) for d in zip(*degrees, strict=True)]
  return Variety(ambient, tuple(polynomials), (1.0,) * len(ambient))


@pytest.mark.parametrize(
  "ambient, degrees", [((4,), ((2, 3),)), ((1, 2), ((2,), (3,))), ((2, 2), ((1, 2), (2, 1)))]
)
def test_trivial_directions_have_no_couplings(ambient, degrees):
  variety = _member(ambient, degrees)
  rng = np.random.default_rng(5)
  other = lambda a: Polynomial(
    q := variety.polynomials[a].exponents, tuple(rng.normal(size=len(q)))
  )
  directions = [tuple(other(a) for a in range(variety.codimension)) for _ in range(2)]
  kappa = jacobian_ring.couplings(variety, [*directions, _trivial(variety)])
  np.testing.assert_allclose(kappa, np.swapaxes(kappa, 0, -1), atol=1e-12 * abs(kappa).max())
  assert np.max(abs(kappa[-1])) < 1e-9 * np.min(abs(kappa[:-1, :-1]))


def test_too_large_rings_are_left_alone():
  """P5[6] has 118,755 monomials of degree 24."""
  assert jacobian_ring.couplings(Variety((5,), (members.dwork(6, 0.0),), (1.0,)), []) is None


def test_singular_members_have_no_line():
  """z0^3 + z1^3 + z2^3 = 3 z0 z1 z2 are three lines."""
  curve = Variety((2,), (members.dwork(3, 1.0),), (1.0,))
  directions = _monomials((1, 1, 1))
  assert jacobian_ring.couplings(curve, directions) is None
  assert jacobian_ring.couplings(random_variety("cubic_curve"), directions).shape == (1,)
