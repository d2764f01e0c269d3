import pytest

from tests.geometry.varieties import random_variety
from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety, check_calabi_yau


def test_shape_of_a_variety():
  variety = random_variety("triple")
  assert variety.degrees == ((1, 1, 1),) * 3
  assert (variety.dimension, variety.codimension, variety.num_coordinates) == (3, 3, 9)
  assert variety.factor_slices == (slice(0, 3), slice(3, 6), slice(6, 9))
  assert hash(variety) == hash(random_variety("triple"))


@pytest.mark.parametrize(
  "ambient, polynomials, moduli, message",
  [
    ((4,), (members.fermat(4),), (1,), "4 variables, but the ambient space P\\^4 has 5"),
    ((3,), (Polynomial(((3, 0, 0, 0),), (1,)),), (1,), "not Calabi-Yau.*sum to 3.*must sum to 4"),
    ((4,), (members.fermat(5),), (0.0,), "Kaehler modulus 0 is not a positive number"),
    ((4,), (members.fermat(5),), (1, 1), "2 Kaehler moduli for 1"),
    ((4,), (), (1,), "at least one polynomial"),
    ((1,), (members.fermat(2),), (1,), "leave no dimension"),
    ((), (members.fermat(5),), (), "projective spaces"),
  ],
)
def test_bad_varieties(ambient, polynomials, moduli, message):
  with pytest.raises(UserError, match=message):
    Variety(ambient, polynomials, moduli)


@pytest.mark.parametrize(
  "ambient, degrees, message",
  [
    # Too many equations in some factors alone: one, and two of them together.
    ((1, 3), ((1, 1, 0), (0, 0, 4)), r"in P\^1 x P\^3 have no solutions"),
    ((1, 1, 3), ((1, 1, 0, 0), (1, 0, 1, 0), (0, 0, 0, 4)), "have no solutions"),
    ((4,), ((5, 0),), "polynomial 2 has degree 0"),
    ((4,), ((6, -1),), "0 or more"),
    ((0, 4), ((1,), (5,)), "dimension 1 or more"),
    ((4,), ((),), "at least one factor and one polynomial"),
    ((1, 3), ((2,), (3,)), r"factor 2 \(P\^3\) sum to 3, but must sum to 4"),
  ],
)
def test_bad_configurations(ambient, degrees, message):
  with pytest.raises(UserError, match=message):
    check_calabi_yau(ambient, degrees)


def test_factors_that_equations_share_in_pairs_have_points():
  check_calabi_yau((1, 1, 3), ((1, 1, 0), (1, 1, 0), (0, 0, 4)))
