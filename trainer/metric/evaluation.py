"""The metric at many points, spread over all devices, a chunk at a time."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from trainer.devices import microbatch, parallel
from trainer.geometry import hermitian
from trainer.metric.measures import PointValues
from trainer.points.batch import Batch

# (parameters, Batch) -> g packed (n * n, B)
Metric = Callable[[Any, Batch], jax.Array]


class Evaluator:
  """Evaluates a metric at held-out points, in chunks that fit into memory; compiled once a dataset."""

  def __init__(self, metric: Metric, mesh: jax.sharding.Mesh, memory: int):
    """Args: the metric; the mesh; bytes of a device for intermediate results."""

    def values(params: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
      def at_points(rows: Batch):
        packed = metric(params, rows)
        return hermitian.determinant(packed), hermitian.least_eigenvalue(packed)

      return microbatch.apply(at_points, batch, microbatch.plan(at_points, batch, memory))

    self._values = parallel.compile_rows(values, mesh)

  def __call__(self, params: Any, batch: Batch, num_points: int) -> PointValues:
    """Returns the numbers at the first `num_points` rows of a sharded batch, on every process.

    Args:
      params: the network's parameters.
      batch: rows sharded over the mesh.
      num_points: the number of rows that are not padding.
    """
    determinant, least = self._values(params, batch)
    host = parallel.gather_rows((determinant, least, batch.weight, batch.omega))
    return PointValues(*(np.asarray(a, np.float64)[:num_points] for a in host))


def fubini_study(params: Any, batch: Batch) -> jax.Array:
  """The metric that training starts from, which has no parameters."""
  del params
  return batch.fubini_study.T
