"""Exact periods: Gamma functions, published values, and what curves and K3 surfaces must have."""

import dataclasses

import pytest

from tests.geometry.varieties import random_variety
from trainer.geometry import members
from trainer.geometry.dwork import exact_moduli, exact_omega_integral
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety


def _member(d, psi):
  return Variety((d - 1,), (members.dwork(d, psi),), (1.0,))


def _along(d, rate):
  return (Polynomial(((1,) * d,), (rate,)),)


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


@pytest.mark.parametrize(
  "psi, v, g, y",
  [
    (0, 1, 0.192256454608, 1.55532),
    (0.1, 0.998079835265, 0.192101098086, 1.56021755102),
    (0.5, 0.953724213961, 0.190027711556, 1.71309298431),
    (0.75, 0.90094449268, 0.19860546378, 2.15578262985),
  ],
)
def test_the_quintic_by_integrated_periods(psi, v, g, y):
  """From period series, by two other programs."""
  found = exact_moduli(_member(5, psi), _along(5, -5.0))
  assert found == pytest.approx((g, y), rel=1e-10 if psi else 1e-5)
  relative = exact_omega_integral(_member(5, psi)) / exact_omega_integral(_member(5, 0))
  assert relative == pytest.approx(v, rel=1e-10)


@pytest.mark.parametrize("psi", [0.0, 0.3 + 0.2j, -0.9])
def test_couplings_of_curves_and_k3_surfaces_are_constant(psi):
  """y = 1: kappa = d tau and e^-K = 2 Im tau of a curve, and the squares of both of a K3."""
  for d in (3, 4):
    assert exact_moduli(_member(d, psi), _along(d, 1.0)).y == pytest.approx(1, rel=1e-11)


def test_a_parameter_is_taken_to_psi():
  """2 z_0^5 + z_1^5 + .. + b prod z_i: psi = -b / (5 2^(1/5))."""
  quintic = members.dwork(5, 0.5)
  double = tuple(2 * c if row[0] == 5 else c for row, c in zip(*dataclasses.astuple(quintic)))
  scaled = Variety((4,), (Polynomial(quintic.exponents, double),), (1.0,))
  plain = exact_moduli(_member(5, 0.5 * 2**-0.2), _along(5, -5.0))
  found = exact_moduli(scaled, _along(5, 3j))
  assert found.g == pytest.approx(plain.g * (0.6 * 2**-0.2) ** 2, rel=1e-12)
  assert found.y == pytest.approx(plain.y, rel=1e-12)


def test_unknown_for_others():
  bicubic = random_variety("bicubic")
  assert exact_omega_integral(_member(5, 1.1)) is None
  assert exact_omega_integral(bicubic) is None
  assert exact_moduli(bicubic, _along(6, 1.0)) is None
  other = (Polynomial(((3, 1, 1, 0, 0),), (1.0,)),)
  assert exact_moduli(_member(5, 0.5), other) is None
