import numpy as np
import pytest

from trainer.geometry import small


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_determinant_and_inverse(k):
  rng = np.random.default_rng(k)
  matrix = rng.normal(size=(k, k)) + 1j * rng.normal(size=(k, k))
  np.testing.assert_allclose(small.determinant(matrix), np.linalg.det(matrix), rtol=1e-12)
  np.testing.assert_allclose(small.inverse(matrix), np.linalg.inv(matrix), rtol=1e-11)
  positive = matrix @ matrix.conj().T
  frame = small.unitary_frame(positive)
  np.testing.assert_allclose(frame, np.linalg.inv(np.linalg.cholesky(positive)), atol=1e-9)
  assert k == 1 or np.isnan(small.unitary_frame(positive - 9 * np.eye(k) * k)).any()
