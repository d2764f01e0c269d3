import numpy as np
import pytest

from trainer.geometry import small


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_determinant_and_inverse(k):
  rng = np.random.default_rng(k)
  matrix = rng.normal(size=(k, k)) + 1j * rng.normal(size=(k, k))
  np.testing.assert_allclose(small.determinant(matrix), np.linalg.det(matrix), rtol=1e-12)
  np.testing.assert_allclose(small.inverse(matrix), np.linalg.inv(matrix), rtol=1e-11)
