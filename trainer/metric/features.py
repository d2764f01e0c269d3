"""What a metric needs of points and training does not change, computed once at points that are used again and again.

The rows of rho = sum_p h_p rho_p of an invariant metric take all the sections at a point; with the rows of every rho_p
kept, a step takes two products with a matrix of R P numbers a point. A sum of networks keeps the metric of the terms
that are trained already.
"""

import functools
from typing import Any

import jax

from trainer.devices import microbatch, parallel
from trainer.metric.ansatz import Ansatz
from trainer.points.batch import Batch


class Features:
  """Adds their `features` and `base` to batches, if the metric has such and they fit into memory."""

  def __init__(self, ansatz: Ansatz, params: Any, mesh: jax.sharding.Mesh, memory: int):
    """Args: the metric; its parameters, the network's; the mesh; bytes of a device for the result and as many
    for what is computed on the way."""
    self._fixed, self._params, self._mesh, self._memory = ansatz.fixed, params, mesh, memory

  def __call__(self, batch: Batch) -> Batch:
    """Args: a batch, its points sharded over the mesh. Returns: the batch, extended or as it was."""
    if self._fixed is None:
      return batch
    shapes = jax.tree.leaves(jax.eval_shape(self._fixed, self._params, batch))
    if sum(shape.size * shape.dtype.itemsize for shape in shapes) > self._memory * self._mesh.size:
      return batch
    return batch._replace(**self._compiled(self._params, batch))

  @functools.cached_property
  def _compiled(self):
    def fixed(params: Any, batch: Batch) -> dict[str, jax.Array]:
      at_points = functools.partial(self._fixed, params)
      return microbatch.apply(at_points, batch, microbatch.plan(at_points, batch, self._memory))

    return parallel.compile_rows(fixed, self._mesh)
