"""What a problem needs of points and training does not change, computed once at all of them.

A problem's `keep` may cost far more than a training step: all sections at a point, or the field
that is being corrected. At points that are used again and again it is worth its memory.
"""

from collections.abc import Callable
import functools
from typing import Any

import jax

from trainer.devices import microbatch, parallel


class Kept:
  """Puts what `keep` returns of points into their field `fixed`, if it fits into memory."""

  def __init__(self, keep: Callable | None, params: Any, mesh: jax.sharding.Mesh, memory: int):
    """Prepares; nothing is computed yet.

    Args:
      keep: (params, batch) -> {name: (B, ...)}; None if there is nothing to keep.
      params: its parameters.
      mesh: the devices.
      memory: bytes of a device for the result, and as many for what is computed on the way.
    """
    self._keep, self._params, self._mesh, self._memory = keep, params, mesh, memory

  def __call__(self, batch: Any) -> Any:
    """Extends a batch sharded over the mesh; returns it as it was if that takes too much."""
    if self._keep is None:
      return batch
    shapes = jax.tree.leaves(jax.eval_shape(self._keep, self._params, batch))
    size = sum(shape.size * shape.dtype.itemsize for shape in shapes)
    if size > self._memory * self._mesh.size:
      return batch
    return batch._replace(fixed=self._compiled(self._params, batch))

  @functools.cached_property
  def _compiled(self):
    def keep(params: Any, batch: Any) -> dict[str, jax.Array]:
      at_points = functools.partial(self._keep, params)
      return microbatch.apply(at_points, batch, microbatch.plan(at_points, batch, self._memory))

    return parallel.compile_rows(keep, self._mesh)
