"""Functions of a run at any number of points, in bounded memory."""

from collections.abc import Callable
from typing import Any

import jax

from networks import reverse
from trainer.devices import microbatch, parallel


def by_chunks(function: Callable[[jax.Array], Any], points: jax.Array) -> Any:
  """Evaluates a function at as many points at once as memory holds, differentiable to any order.

  Args:
    function: points (B, K) -> arrays (B, *).
    points: (..., K).

  Returns:
    Arrays (..., *).
  """
  flat = points.reshape(-1, points.shape[-1])
  with reverse.plain():
    plan = microbatch.plan(function, flat, parallel.default_memory())
    found = microbatch.apply(function, flat, plan)
  return jax.tree.map(lambda a: a.reshape(*points.shape[:-1], *a.shape[1:]), found)
