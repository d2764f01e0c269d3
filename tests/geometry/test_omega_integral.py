import pytest

from tests.geometry.varieties import random_variety
from trainer.geometry import members
from trainer.geometry.omega_integral import exact_omega_integral
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety


@pytest.mark.parametrize("d, value", [(3, 2.70287609), (4, 11.81704501), (5, 47.29756091865622)])
def test_fermat(d, value):
  assert exact_omega_integral(Variety((d - 1,), (members.fermat(d),), (1,))) == pytest.approx(
    value, rel=1e-8
  )


def test_coefficients_scale_it():
  scaled = Polynomial(members.fermat(3).exponents, (2, 1j, -4))
  assert exact_omega_integral(Variety((2,), (scaled,), (1,))) == pytest.approx(
    2.70287609 * 8 ** (-2 / 3), rel=1e-8
  )


def test_unknown_for_others():
  assert exact_omega_integral(Variety((4,), (members.dwork(5, 0.5),), (1,))) is None
  assert exact_omega_integral(random_variety("bicubic")) is None
