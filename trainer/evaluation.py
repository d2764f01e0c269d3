"""The metric at many points, spread over all devices, a chunk at a time."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer import hermitian
from trainer import parallel
from trainer.ansatz import Ansatz
from trainer.batch import Batch
from trainer.measures import PointValues

# Points a device works on at once.
_CHUNK = 4096


class Evaluator:
  """Evaluates an ansatz at held-out points; compiled once for a dataset."""

  def __init__(self, ansatz: Ansatz, mesh: jax.sharding.Mesh):
    def values(params: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
      metric = ansatz.metric(params, batch)
      return hermitian.determinant(metric), hermitian.least_eigenvalue(metric)

    self._values = parallel.compile_rows(_in_chunks(values), mesh)

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


def _in_chunks(fn):
  """Runs fn(params, rows) over chunks of rows, so that memory does not grow with the dataset."""
  def chunked(params: Any, batch: Batch):
    rows = batch.weight.shape[0]
    chunk = min(_CHUNK, rows)
    padded = -(-rows // chunk) * chunk
    fold = lambda a: jnp.concatenate([a, a[:1].repeat(padded - rows, 0)]).reshape(
        padded // chunk, chunk, *a.shape[1:])
    chex.assert_tree_shape_prefix(batch, (rows,))
    out = jax.lax.map(lambda part: fn(params, part), jax.tree.map(fold, batch))
    return jax.tree.map(lambda a: a.reshape(padded, *a.shape[2:])[:rows], out)

  return chunked
