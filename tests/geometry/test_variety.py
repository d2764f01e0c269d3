import pytest

from tests.geometry.varieties import random_variety
from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety


def test_shape_of_a_variety():
  variety = random_variety("triple")
  assert variety.degrees == ((1, 1, 1),) * 3
  assert (variety.dimension, variety.codimension, variety.num_coordinates) == (3, 3, 9)
  assert variety.factor_slices == (slice(0, 3), slice(3, 6), slice(6, 9))
  assert hash(variety) == hash(random_variety("triple"))


@pytest.mark.parametrize("ambient, polynomials, moduli, message", [
    ((4,), (members.fermat(4),), (1,), "4 variables, but the ambient space P\\^4 has 5"),
    ((3,), (Polynomial(((3, 0, 0, 0),), (1,)),), (1,), "not Calabi-Yau.*sum to 3.*must sum to 4"),
    ((4,), (members.fermat(5),), (0.0,), "Kaehler modulus 0 is not a positive number"),
    ((4,), (members.fermat(5),), (1, 1), "2 Kaehler moduli for 1"),
    ((4,), (), (1,), "at least one polynomial"),
    ((1,), (members.fermat(2),), (1,), "leave no dimension"),
    ((), (members.fermat(5),), (), "projective spaces"),
])
def test_bad_varieties(ambient, polynomials, moduli, message):
  with pytest.raises(UserError, match=message):
    Variety(ambient, polynomials, moduli)
