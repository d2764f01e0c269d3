"""Polynomials written as text."""

import numpy as np
import pytest

from trainer.errors import UserError
from trainer.geometry.parse import parse_derivative, parse_number, parse_polynomial


def test_terms_by_hand():
  q = parse_polynomial("z0^2 - 5*psi*z0*z1 + (1+2j)*z1**2/4", 2, {"psi": 0.5j})
  assert dict(zip(q.exponents, q.coefficients)) == {(2, 0): 1, (1, 1): -2.5j, (0, 2): 0.25 + 0.5j}


@pytest.mark.parametrize(
  "text",
  ["z0^3 + z1^3", "-z0 + +z1", "(z0 + z1)^3 - 2*(z0 - z2)*(z1 + 3)", "z0*(z1*(z2 + 1) - a)^2/a"],
)
def test_values_equal_python(text):
  rng = np.random.default_rng(0)
  for _ in range(5):
    z, a = rng.normal(size=3) + 1j * rng.normal(size=3), complex(rng.normal(), rng.normal())
    names = {f"z{i}": c for i, c in enumerate(z)} | {"a": a}
    expected = eval(text.replace("^", "**"), {}, names)
    assert parse_polynomial(text, 3, {"a": a})(z) == pytest.approx(expected, rel=1e-12)


def test_terms_that_cancel_are_dropped():
  assert parse_polynomial("z0 - z0 + z1", 2).exponents == ((0, 1),)


@pytest.mark.parametrize(
  "text, message",
  [
    ("z0^3 + psi*z1", "psi"),
    ("z0 + z5", "z5"),
    ("z0 +", "cannot read"),
    ("z0^z1", "cannot read"),
    ("z0^(-1)", "cannot read"),
    ("z0/z1", "cannot read"),
    ("sin(z0)", "cannot read"),
    ("z0 - z0", "is zero"),
    ("", "cannot read"),
    ("__import__('os')", "cannot read"),
  ],
)
def test_what_is_no_polynomial_is_refused(text, message):
  with pytest.raises(UserError, match=message):
    parse_polynomial(text, 2)


def test_derivative_by_a_parameter():
  text, values = "z0^2 + a^2*z0*z1 - a*b*z1^2", {"a": 3.0, "b": 2j}
  by_a = parse_derivative(text, 2, values, "a")
  assert dict(zip(by_a.exponents, by_a.coefficients)) == {(1, 1): 6, (0, 2): -2j}
  by_b = parse_derivative(text, 2, values, "b")
  assert dict(zip(by_b.exponents, by_b.coefficients)) == {(0, 2): -3}
  assert parse_derivative("z0 + z1", 2, values, "a").exponents == ()


def test_numbers():
  assert parse_number("1.035-0.02i") == 1.035 - 0.02j
  assert parse_number(" 2 + 1j ") == 2 + 1j
  with pytest.raises(UserError, match="complex number"):
    parse_number("abc")
