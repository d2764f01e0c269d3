"""Conjugate gradients for several systems side by side, their product with the matrix one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Iterations that lower the error by less than this part are as good as none; after so many of
# these in a row they end.
_GAIN, _PATIENCE = 1e-3, 3


def solve(
  product: Callable[[np.ndarray], np.ndarray],
  right: np.ndarray,
  iterations: int,
  error: Callable[[np.ndarray], float] | None = None,
  progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, int]:
  """Solves A h = b, A Hermitian and not negative, from h = 0.

  Args:
    product: h -> A h.
    right: b, (R, M, N) real or complex, R systems.
    iterations: at most.
    error: of h, on points that the systems were not made from: iterations end where it is least.
    progress: called with (iterations done, iterations at most).

  Returns:
    h, and how many iterations there were.
  """
  inner = lambda u, v: np.einsum("rij,rij->r", u.conj(), v).real[:, None, None]
  h, left, direction = np.zeros_like(right), right, right
  squared = inner(left, left)
  best, least, done, worse = h, np.inf, 0, 0
  for done in range(1, iterations + 1):
    moved = product(direction)
    step = squared / np.maximum(inner(direction, moved), 1e-300)
    h, left = h + step * direction, left - step * moved
    new = inner(left, left)
    direction, squared = left + new / np.maximum(squared, 1e-300) * direction, new
    if progress:
      progress(done, iterations)
    if error is None:
      best = h
      continue
    found = error(h)
    worse = 0 if found < (1 - _GAIN) * least else worse + 1
    if found < least:
      best, least = h, found
    if worse == _PATIENCE:
      break
  return best, done
