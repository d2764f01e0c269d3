"""Directions of polynomials that are none, by hand."""

import pytest

from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.deformations import check_nontrivial
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
