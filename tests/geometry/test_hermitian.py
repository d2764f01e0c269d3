import jax
import numpy as np
import pytest

from trainer.geometry import hermitian


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_round_trip_determinant_and_least_eigenvalue(n):
  rng = np.random.default_rng(n)
  g = rng.normal(size=(7, n, n)) + 1j * rng.normal(size=(7, n, n))
  g = g + g.conj().transpose(0, 2, 1)  # indefinite
  packed = hermitian.pack(g)
  assert packed.shape == (n * n, 7) and packed.dtype == np.float64
  np.testing.assert_array_equal(hermitian.unpack(packed), g)
  np.testing.assert_allclose(
    hermitian.determinant(packed), np.linalg.det(g).real, rtol=1e-11, atol=1e-11
  )
  one = hermitian.pack(np.broadcast_to(np.eye(n), g.shape))
  least = hermitian.least_eigenvalue(packed, one)
  np.testing.assert_allclose(least, np.linalg.eigvalsh(g)[:, 0], atol=1e-12)
  # Relative to h in other coordinates it is the same.
  change = rng.normal(size=(7, n, n)) + 1j * rng.normal(size=(7, n, n))
  moved = lambda a: hermitian.pack(change @ a @ change.conj().transpose(0, 2, 1))
  relative = hermitian.least_eigenvalue(moved(g), moved(np.eye(n)))
  np.testing.assert_allclose(relative, least, rtol=1e-9, atol=1e-9)


def test_rows_are_in_the_documented_order():
  g = np.array([[1, 2 + 3j, 4 + 5j], [2 - 3j, 6, 7 + 8j], [4 - 5j, 7 - 8j, 9]])
  np.testing.assert_array_equal(hermitian.pack(g), [1, 6, 9, 2, 4, 7, 3, 5, 8])


def test_derivative_of_the_determinant_is_its_cofactor():
  g = np.array([[2, 0.5 + 0.2j], [0.5 - 0.2j, 3]])
  slope = jax.grad(hermitian.determinant)(hermitian.pack(g))
  np.testing.assert_allclose(slope, [3, 2, -1.0, -0.4], rtol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_positive_definite_forms_are_told_from_others(n):
  rng = np.random.default_rng(n)
  g = rng.normal(size=(50, n, n)) + 1j * rng.normal(size=(50, n, n))
  g = g + g.conj().transpose(0, 2, 1) + 2.5 * n**0.5 * np.eye(n)
  least = np.linalg.eigvalsh(g)[:, 0]
  assert (least > 0).any() and (least < 0).any()
  np.testing.assert_array_equal(hermitian.is_positive(hermitian.pack(g)), least > 0)
