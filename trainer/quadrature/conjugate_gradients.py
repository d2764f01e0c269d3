"""Conjugate gradients for several systems side by side, their product with the matrix one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from trainer.run.unfinished import Unfinished

# Iterations that lower the error by less than this part are as good as none; after so many of
# these in a row they end.
_GAIN, _PATIENCE = 1e-3, 3


class State(NamedTuple):
  """Where iterations are.

  Attributes:
    h: (R, M, N) the present solutions.
    left: (R, M, N), b - A h.
    direction: (R, M, N), the next one.
    best: (R, M, N) the solutions with the least error so far.
    least: that error.
    done: how many iterations there were.
    worse: of these, how many of the last were as good as none.
  """

  h: np.ndarray
  left: np.ndarray
  direction: np.ndarray
  best: np.ndarray
  least: float
  done: int
  worse: int


class Kept(NamedTuple):
  """Where states are kept, in case iterations are stopped.

  Attributes:
    unfinished: of a run's directory.
    name: there.
  """

  unfinished: Unfinished
  name: str

  def load(self, right: np.ndarray) -> State | None:
    """The last state of the system with these right-hand sides, if there is one."""
    found = self.unfinished.load(self.name, {"right": right})
    return found and State(**{k: a if a.ndim else a.item() for k, a in found.items()})

  def save(self, right: np.ndarray, state: State) -> None:
    """Keeps a state in place of the last one."""
    self.unfinished.save(self.name, {"right": right}, state._asdict())


def solve(
  product: Callable[[np.ndarray], np.ndarray],
  right: np.ndarray,
  iterations: int,
  error: Callable[[np.ndarray], float] | None = None,
  progress: Callable[[int, int], None] | None = None,
  kept: Kept | None = None,
) -> tuple[np.ndarray, int]:
  """Solves A h = b, A Hermitian and not negative, from h = 0.

  Args:
    product: h -> A h.
    right: b, (R, M, N) real or complex, R systems.
    iterations: at most.
    error: of h, on points that the systems were not made from: iterations end where it is least.
    progress: called with (iterations done, iterations at most).
    kept: every iteration is kept there, and the first one is that after the last one kept.

  Returns:
    h, and how many iterations there were.
  """
  zero = np.zeros_like(right)
  state = (kept and kept.load(right)) or State(zero, right, right, zero, np.inf, 0, 0)
  while state.done < iterations and state.worse < _PATIENCE:
    state = _next(state, product, error)
    if kept:
      kept.save(right, state)
    if progress:
      progress(state.done, iterations)
  return state.best, state.done


def _next(state, product, error):
  inner = lambda u, v: np.einsum("rij,rij->r", u.conj(), v).real[:, None, None]
  divided = lambda a, b: a / np.maximum(b, 1e-300)
  h, left, direction, best, least, done, worse = state
  moved, squared = product(direction), inner(left, left)
  step = divided(squared, inner(direction, moved))
  h, left = h + step * direction, left - step * moved
  direction = left + divided(inner(left, left), squared) * direction
  if error is None:
    return State(h, left, direction, h, least, done + 1, worse)
  found = error(h)
  worse = 0 if found < (1 - _GAIN) * least else worse + 1
  if found < least:
    best, least = h, found
  return State(h, left, direction, best, least, done + 1, worse)
