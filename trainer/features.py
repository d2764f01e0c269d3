"""What an invariant metric is linear in, computed once at points that are used again and again.

The rows of rho = sum_p h_p rho_p take all the sections at a point; with the rows of every rho_p kept, a step takes
two products with a matrix of R P numbers a point.
"""

import functools

import jax

from trainer import microbatch
from trainer import parallel
from trainer.ansatz import Ansatz
from trainer.batch import Batch


class Features:
  """Adds their `features` to batches, if the metric has such and they fit into memory."""

  def __init__(self, ansatz: Ansatz, mesh: jax.sharding.Mesh, memory: int):
    """Args: the metric; the mesh; bytes of a device for the features, and again for intermediate results."""
    self._form, self._mesh, self._memory = ansatz.invariant, mesh, memory

  def __call__(self, batch: Batch) -> Batch:
    """Args: a batch, its points sharded over the mesh. Returns: the batch, with features or as it was."""
    if self._form is None:
      return batch
    shape = jax.eval_shape(self._form.rows, batch)
    if shape.size * shape.dtype.itemsize > self._memory * self._mesh.size:
      return batch
    return batch._replace(features=self._compiled((), batch))

  @functools.cached_property
  def _compiled(self):
    def rows(_, batch: Batch) -> jax.Array:
      plan = microbatch.plan(self._form.rows, batch, self._memory)
      return microbatch.apply(self._form.rows, batch, plan)

    return parallel.compile_rows(rows, self._mesh)
