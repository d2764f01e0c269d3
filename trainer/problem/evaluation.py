"""A problem's values at many points, spread over all devices, a block at a time."""

from collections.abc import Callable
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import compiling, microbatch, parallel
from trainer.geometry.variety import Variety
from trainer.points import dataset
from trainer.problem.problem import Values

# Rows of a device at a time: one compiled program serves datasets of all sizes.
_BLOCK = 2048


class Evaluator:
  """Evaluates at points in blocks; compiled once for the same function, devices and memory."""

  def __init__(
    self,
    values: Callable[[Any, Any], dict[str, Any]],
    mesh: jax.sharding.Mesh,
    memory: int,
    level: int = compiling.FASTEST,
  ):
    """Builds it.

    Args:
      values: (params, batch) -> nested dictionaries of numbers (B, ...) at points.
      mesh: the devices.
      memory: bytes of each for intermediate results.
      level: see trainer.devices.compiling.optimisation.
    """
    self._mesh, self._values = mesh, _compiled(values, mesh, memory, level)

  def __call__(self, params: Any, batch: Any, num_points: int) -> Values:
    """The numbers at the first `num_points` rows of a sharded batch, on every process.

    They are in double precision, float64 or complex128.

    Args:
      params: the problem's parameters.
      batch: rows sharded over the mesh.
      num_points: the number of rows that are not padding.
    """
    devices = self._mesh.size
    local = batch.weight.shape[0] // devices
    size = min(_BLOCK, 2 ** math.ceil(math.log2(local)))
    block = _block(self._mesh, size)
    parts = []
    for start in range(0, local, size):
      rows = block(jnp.int32(start), batch)
      parts.append(parallel.gather_rows(self._values(params, rows) | {"weight": rows.weight}))

    def joined(*blocks):
      behind = blocks[0].shape[1:]
      double = np.promote_types(blocks[0].dtype, np.float64)
      of_devices = [np.asarray(a, double).reshape(devices, size, *behind) for a in blocks]
      rows = np.concatenate(of_devices, axis=1)[:, :local]
      return rows.reshape(devices * local, *behind)[:num_points]

    return jax.tree.map(joined, *parts)


def anywhere(
  values: Callable[[Any, Any], dict[str, Any]],
  variety: Variety,
  params: Any,
  mesh: jax.sharding.Mesh,
  memory: int,
  dtype: jnp.dtype,
  level: int = compiling.FASTEST,
) -> Callable[..., Values]:
  """A function's values at any points of a variety, wherever they come from.

  Args:
    values: as `Evaluator` takes it.
    variety: the variety.
    params: parameters of the function.
    mesh: the devices; every process asks for the same points and gets the same values.
    memory: bytes of a device for intermediate results.
    dtype: real dtype of evaluation.
    level: see trainer.devices.compiling.optimisation.

  Returns:
    (z (B, N) complex, charts) -> values; charts as trainer.points.batch.prepare takes them, by
    default None. Programs are compiled once, for however many points.
  """
  evaluator = Evaluator(values, mesh, memory, level)
  rows = -(-_BLOCK // mesh.size) * mesh.size
  first, last = parallel.local_rows(mesh, rows)

  def block(z, charts):
    count, weight = len(z), np.ones(last - first)
    pad = lambda a: np.concatenate([a, a[:1].repeat(rows - count, 0)])[first:last]
    z, charts = jax.tree.map(pad, (z, charts))
    local = dataset.prepare_on_host(variety, z, weight, dtype, last - first, charts)
    return evaluator(params, parallel.shard_rows(mesh, local, rows), count)

  def at(z: np.ndarray, charts: Any = None) -> Values:
    parts = [slice(start, start + rows) for start in range(0, len(z), rows)]
    blocks = [block(*jax.tree.map(lambda a: a[part], (z, charts))) for part in parts]
    return jax.tree.map(lambda *a: np.concatenate(a), *blocks)

  return at


@functools.lru_cache(maxsize=16)
def _compiled(values, mesh, memory, level):
  def at_rows(params: Any, batch: Any) -> dict[str, jax.Array]:
    at_points = lambda rows: values(params, rows)
    return microbatch.apply(at_points, batch, microbatch.plan(at_points, batch, memory))

  return parallel.compile_rows(at_rows, mesh, level)


@functools.lru_cache(maxsize=16)
def _block(mesh, size):
  def of_device(start: jax.Array, batch: Any) -> Any:
    """Its `size` rows from `start` on; beyond the last, that one again."""
    rows = jnp.minimum(start + jnp.arange(size), batch.weight.shape[0] - 1)
    return jax.tree.map(lambda a: a[rows], batch)

  return parallel.compile_rows(of_device, mesh)
