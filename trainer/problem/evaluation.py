"""A problem's values at many points, spread over all devices, a chunk at a time."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from trainer.devices import microbatch, parallel
from trainer.problem.problem import Values


class Evaluator:
  """Evaluates at points, in chunks that fit into memory; compiled once a dataset."""

  def __init__(
    self,
    values: Callable[[Any, Any], dict[str, jax.Array]],
    mesh: jax.sharding.Mesh,
    memory: int,
  ):
    """Args: see Problem.values; the devices; bytes of a device for intermediate results."""

    def at_rows(params: Any, batch: Any) -> dict[str, jax.Array]:
      at_points = lambda rows: values(params, rows)
      return microbatch.apply(at_points, batch, microbatch.plan(at_points, batch, memory))

    self._values = parallel.compile_rows(at_rows, mesh)

  def __call__(self, params: Any, batch: Any, num_points: int) -> Values:
    """Returns the numbers at the first `num_points` rows of a sharded batch, on every process.

    Args:
      params: the problem's parameters.
      batch: rows sharded over the mesh.
      num_points: the number of rows that are not padding.
    """
    host = parallel.gather_rows(self._values(params, batch) | {"weight": batch.weight})
    return {name: np.asarray(a, np.float64)[:num_points] for name, a in host.items()}
