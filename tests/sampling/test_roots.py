import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.sampling import roots


def distance_to_nearest(found, expected):
  """Largest relative distance of a root of numpy's from the nearest found one, and back."""
  table = np.abs(found[:, None] - expected) / (1 + np.abs(expected))
  return max(table.min(axis=0).max(), table.min(axis=1).max())


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 8])
def test_all_roots_against_numpy(degree):
  rng = np.random.default_rng(degree)
  coefficients = rng.normal(size=(degree + 1, 60, 2)) @ np.array([1, 1j])
  coefficients[-1, :5] *= 1e-5  # a root far away
  coefficients[0, 5:10] *= 1e-5  # one near zero
  coefficients[1:-1, 10] = 0  # roots of unity
  coefficients[:, 11] = coefficients[:, 11].real
  found = np.asarray(jax.jit(roots.all_roots)(coefficients))
  assert found.shape == (degree, 60)
  for column, polynomial in zip(found.T, coefficients.T):
    assert distance_to_nearest(column, np.roots(polynomial[::-1])) < 1e-10


def test_one_bad_polynomial_does_not_spoil_the_others():
  coefficients = np.array([[-1, 0, 0, 1], [np.nan, 1, 1, 1], [-8, 0, 0, 1]], complex).T
  found = np.asarray(jax.jit(roots.all_roots)(coefficients))
  assert distance_to_nearest(found[:, 0], np.exp(2j * np.pi * np.arange(3) / 3)) < 1e-13
  assert distance_to_nearest(found[:, 2], 2 * np.exp(2j * np.pi * np.arange(3) / 3)) < 1e-13


def test_interpolation_recovers_coefficients():
  rng = np.random.default_rng(0)
  expected = rng.normal(size=(6, 4, 2)) @ np.array([1, 1j])
  found = roots.interpolate(lambda t: sum(expected[k] * t**k for k in range(6)), degree=5, batch=4)
  np.testing.assert_allclose(found, expected, atol=1e-14)


def test_reciprocal():
  z = jnp.array([3 - 4j, 1e-3j])
  np.testing.assert_allclose(roots.reciprocal(z), 1 / z, rtol=1e-15)
