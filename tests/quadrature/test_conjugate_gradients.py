"""Iterations that are stopped go on where they were."""

import numpy as np
import pytest

from trainer.quadrature import conjugate_gradients
from trainer.quadrature.conjugate_gradients import Kept
from trainer.run.unfinished import Unfinished


def _system(size=12):
  rng = np.random.default_rng(0)
  root = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
  right = rng.normal(size=(2, 3, size // 3)) + 0j
  matrix = root @ root.conj().T
  return matrix, right, lambda h: (h.reshape(2, size) @ matrix.T).reshape(h.shape)


class _StoppedError(Exception):
  pass


def test_stopped_iterations_go_on(tmp_path):
  matrix, right, product = _system()
  exact = np.linalg.solve(matrix, right.reshape(2, -1).T).T.reshape(right.shape)
  error = lambda h: float(np.sum(abs(h - exact) ** 2))
  whole, count = conjugate_gradients.solve(product, right, 40, error)
  np.testing.assert_allclose(whole, exact, rtol=1e-8)
  kept, calls, seen = Kept(Unfinished(tmp_path), "system"), [], []

  def stopped(h):
    calls.append(h)
    if len(calls) == 6:
      raise _StoppedError
    return product(h)

  with pytest.raises(_StoppedError):
    conjugate_gradients.solve(stopped, right, 40, error, kept=kept)
  again = conjugate_gradients.solve(
    stopped, right, 40, error, lambda done, total: seen.append(done), kept
  )
  np.testing.assert_array_equal(again[0], whole)
  assert again[1] == count == len(calls) - 1 and seen[0] == 6
  # Once done it is done, and another system has nothing to do with it.
  done = conjugate_gradients.solve(stopped, right, 40, error, kept=kept)
  np.testing.assert_array_equal(done[0], whole)
  assert len(calls) == count + 1
  other = conjugate_gradients.solve(product, 2 * right, 40, kept=kept)[0]
  np.testing.assert_allclose(other, 2 * exact, rtol=1e-6)
