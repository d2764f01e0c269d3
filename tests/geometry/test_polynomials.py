import jax.numpy as jnp
import numpy as np
import pytest

from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.polynomials import Polynomial


def brute_force(q, z):
  return sum(
    c * np.prod([z[i] ** e for i, e in enumerate(row)], axis=0)
    for row, c in zip(q.exponents, q.coefficients)
  )


@pytest.mark.parametrize(
  "q",
  [
    members.fermat(5),
    members.dwork(4, 0.3 + 0.1j),
    members.random_polynomial((1, 2), (2, 3), np.random.default_rng(0)),
    Polynomial(((0, 0), (3, 1)), (2 + 1j, -1)),
    Polynomial(((0, 0),), (2,)),
  ],
)
def test_value_and_partials_match_a_sum_over_monomials(q):
  rng = np.random.default_rng(1)
  z = rng.normal(size=(q.num_coordinates, 3)) + 1j * rng.normal(size=(q.num_coordinates, 3))
  np.testing.assert_allclose(q(z), brute_force(q, z), rtol=1e-12)
  np.testing.assert_allclose(q(jnp.asarray(z)), brute_force(q, z), rtol=1e-12)
  step = 1e-6
  for i in range(q.num_coordinates):
    shift = np.zeros_like(z)
    shift[i] = step
    slope = (brute_force(q, z + shift) - brute_force(q, z - shift)) / (2 * step)
    np.testing.assert_allclose(q.partial(i)(z), slope, rtol=1e-7, atol=1e-7)
  np.testing.assert_allclose(
    q.absolute()(np.abs(z)),
    sum(
      abs(brute_force(Polynomial((row,), (c,)), z)) for row, c in zip(q.exponents, q.coefficients)
    ),
    rtol=1e-12,
  )


def test_polynomials_with_equal_tables_are_the_same_static_argument():
  assert hash(members.dwork(5, 0.5)) == hash(members.dwork(5, 0.5))
  assert members.dwork(5, 0.5) == members.dwork(5, 0.5) != members.dwork(5, 0.6)


def test_multidegree():
  q = members.random_polynomial((1, 2), (2, 3), np.random.default_rng(0))
  assert q.multidegree((1, 2)) == (2, 3)
  assert members.fermat(5).multidegree((4,)) == (5,)


@pytest.mark.parametrize(
  "q, ambient, message",
  [
    (Polynomial(((5, 0), (0, 4)), (1, 1)), (1,), r"z1\^4 has degree 4 but z0\^5 has degree 5"),
    (Polynomial(((1, 0, 1, 0), (1, 1, 0, 0)), (1, 1)), (1, 1), r"z0\*z1 has degree \(2, 0\)"),
    (members.fermat(5), (3,), "5 variables"),
    (Polynomial(((1, 0),), (0,)), (1,), "zero"),
  ],
)
def test_bad_polynomials_of_a_space(q, ambient, message):
  with pytest.raises(UserError, match=message):
    q.multidegree(ambient)


@pytest.mark.parametrize(
  "exponents, coefficients, message",
  [
    (((1, 0), (0, 1)), (1,), "one coefficient to each row"),
    (((1, 0), (1,)), (1, 1), "differ in length"),
    (((-1, 2),), (1,), "0 or more"),
  ],
)
def test_bad_tables(exponents, coefficients, message):
  with pytest.raises(UserError, match=message):
    Polynomial(exponents, coefficients)
