"""Directions of polynomials that are none, by hand."""

import pytest

from tests.geometry.varieties import random_variety
from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.deformations import check_nontrivial, polynomial_basis
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety

_FERMAT = Variety((4,), (members.dwork(5, 0.0),), (1.0,))
_CUBICS = Variety(
  (5,),
  tuple(
    Polynomial(tuple(tuple(3 * (i == j) for i in range(6)) for j in range(6)), tuple(c))
    for c in ((1,) * 6, range(1, 7))
  ),
  (1.0,),
)


def test_what_is_in_the_jacobian_ideal_is_refused():
  product = Polynomial(((1,) * 5,), (2.0,))
  other = Polynomial(((2, 0, 1, 1, 1), (1, 4, 0, 0, 0)), (1.0, 3j))
  check_nontrivial(_FERMAT, {"psi": (product,), "a": (other,)})
  for trivial in (((4, 1, 0, 0, 0),), ((0, 0, 5, 0, 0),)):
    with pytest.raises(UserError, match="the parameter b only moves"):
      check_nontrivial(_FERMAT, {"psi": (product,), "b": (Polynomial(trivial, (1.0,)),)})


def test_multiples_of_other_polynomials_are_trivial():
  nothing, first = Polynomial((), ()), _CUBICS.polynomials[0]
  with pytest.raises(UserError, match="Jacobian"):
    check_nontrivial(_CUBICS, {"a": (nothing, first)})
  check_nontrivial(_CUBICS, {"a": (Polynomial(((1, 1, 1, 0, 0, 0),), (1,)), nothing)})


def test_the_jacobian_ring_of_fermat_is_of_monomials():
  """With no exponent 4 or 5: 101 of the 126, h^{2,1}."""
  basis = polynomial_basis(_FERMAT)
  assert len(basis) == 101 and basis["z0*z1*z2*z3*z4"] == (Polynomial(((1,) * 5,), (1.0,)),)
  assert "z0^3*z1^2" in basis and max(max(p.exponents[0]) for (p,) in basis.values()) == 3


@pytest.mark.parametrize("name, count", [("bicubic", 83), ("quartic", 19), ("cubic_curve", 1)])
def test_there_are_as_many_as_hodge_numbers_say(name, count):
  basis = polynomial_basis(random_variety(name))
  assert len(basis) == count
  check_nontrivial(random_variety(name), basis)


def test_several_polynomials_are_named():
  """h^{2,1} = 73."""
  basis = polynomial_basis(_CUBICS)
  assert len(basis) == 73
  for name, direction in basis.items():
    assert len(direction) == 2 and bool(direction[1].exponents) == name.endswith(" in Q2")
