"""The device mesh, its one axis, and every collective of the trainer.

Points are sharded over the axis `data`, everything else is replicated. A per-device function sees
its own rows and the replicated rest, and reduces through `psum` below; it is written once
and compiled by `compile_step` under `shard_map` or `pmap`.

The gradient of a loss that is a ratio of sums over all points, the lower one of weights alone, is,
under shard_map and pmap alike,

    psum(grad(params -> numerator)) / psum(denominator)

`check_vma` is off: with it on, a hand-written backward pass (the jets' layers, or a user's own)
must declare how its cotangents vary over the mesh, and could not run outside of it.
"""

from collections.abc import Callable
import contextlib
import functools
import json
from typing import Any

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
import numpy as np

from trainer.devices import compiling

AXIS = "data"
MODES = ("shard_map", "pmap")
# Up to these a program at points takes a processor longer to compile to run fast than to run.
FEW_POINTS = 500


def make_mesh(devices: list[jax.Device] | None = None) -> Mesh:
  """Returns the mesh of one axis `data` over `devices` (default: all devices of all processes)."""
  devices = jax.devices() if devices is None else devices
  return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def widest_dtype() -> jnp.dtype:
  """The widest real dtype whose complex numbers the devices compute with: no complex128 on TPUs."""
  return jnp.dtype(jnp.float32 if jax.default_backend() == "tpu" else jnp.float64)


def of_first_process(value: Any) -> Any:
  """What process 0 has of a JSON-like value, on all of them."""
  if jax.process_count() == 1:
    return value
  text = json.dumps(value).encode()
  size = int(multihost_utils.broadcast_one_to_all(np.asarray(len(text))))
  buffer = np.frombuffer(text.ljust(size)[:size], np.uint8)
  return json.loads(bytes(np.asarray(multihost_utils.broadcast_one_to_all(buffer))))


def geometry_devices() -> list[jax.Device]:
  """This process' devices that compute in complex128: the host's processor beside TPUs."""
  return jax.local_devices(backend="cpu" if jax.default_backend() == "tpu" else None)


def geometry_device() -> contextlib.AbstractContextManager:
  """Where points are sampled in complex128: the default device, or the host's processor."""
  if jax.default_backend() == "tpu":
    return jax.default_device(geometry_devices()[0])
  return contextlib.nullcontext()


def psum(tree: Any) -> Any:
  """Sums over the devices; inside a per-device function only."""
  return jax.lax.psum(tree, AXIS)


def first(tree: Any) -> Any:
  """What the first device has of it, on all of them; inside a per-device function only.

  The same operations on the same numbers differ in their last digits from device to device, as
  sums do by how an array lies in memory. What decides on the way of a loop with collectives, or is
  kept from step to step, has to be the same everywhere, or devices wait for each other for ever.
  """
  is_first = jax.lax.axis_index(AXIS) == 0

  def of_first(a):
    number = a.astype(jnp.int32) if a.dtype == bool else a
    return psum(jnp.where(is_first, number, jnp.zeros_like(number))).astype(a.dtype)

  return jax.tree.map(of_first, tree)


def all_gather(tree: Any) -> Any:
  """Joins the devices' rows, in the order of the mesh; inside a per-device function only."""
  return jax.lax.all_gather(tree, AXIS, tiled=True)


def psum_scatter(blocks: jax.Array) -> jax.Array:
  """Sums (D, ...) over the devices; each keeps the block with its number."""
  return jax.lax.psum_scatter(blocks, AXIS, tiled=False)


def columns(rows: jax.Array) -> jax.Array:
  """Exchanges each device's rows (b, P) for columns: (D b, ceil(P / D)), at the end zeros."""
  devices = num_devices()
  padded = jnp.pad(rows, ((0, 0), (0, -rows.shape[1] % devices)))
  return jax.lax.all_to_all(padded, AXIS, split_axis=1, concat_axis=0, tiled=True)


def num_devices() -> int:
  """D; inside a per-device function only."""
  return jax.lax.psum(1, AXIS)


def device_index() -> jax.Array:
  """This device's number; inside a per-device function only."""
  return jax.lax.axis_index(AXIS)


def local_part(rows: jax.Array, num_rows: int) -> jax.Array:
  """This device's `num_rows` rows of what `all_gather` joined."""
  return jax.lax.dynamic_slice_in_dim(rows, device_index() * num_rows, num_rows)


def replicated(mesh: Mesh) -> NamedSharding:
  """The sharding of parameters: a full copy on every device."""
  return NamedSharding(mesh, PartitionSpec())


def sharded(mesh: Mesh, axis: int = 0) -> NamedSharding:
  """The sharding of points: array axis `axis` split over the devices."""
  return NamedSharding(mesh, PartitionSpec(*(None,) * axis, AXIS))


def replicate(mesh: Mesh, tree: Any) -> Any:
  """Puts a host tree, equal on every process, on all devices of the mesh."""
  return multihost_utils.host_local_array_to_global_array(
    jax.tree.map(np.asarray, tree), mesh, PartitionSpec()
  )


def local_rows(mesh: Mesh, num_rows: int) -> tuple[int, int]:
  """The range of rows this process holds of `num_rows` rows (a multiple of the mesh) in all."""
  slices = [
    index[0] for index in sharded(mesh).addressable_devices_indices_map((num_rows,)).values()
  ]
  bounds = [s.indices(num_rows)[:2] for s in slices]
  start, stop = min(b[0] for b in bounds), max(b[1] for b in bounds)
  assert sum(b[1] - b[0] for b in bounds) == stop - start, "a process' devices must be neighbours"
  return start, stop


def shard_rows(mesh: Mesh, local: Any, num_rows: int) -> Any:
  """Makes global arrays of `num_rows` rows out of each process' `local_rows`."""
  return jax.tree.map(
    lambda a: jax.make_array_from_process_local_data(sharded(mesh), a, (num_rows, *a.shape[1:])),
    local,
  )


def compile_rows(fn: Callable, mesh: Mesh, level: int = compiling.FASTEST) -> Callable:
  """Compiles `fn(replicated, rows) -> rows`, applied to every device's own rows.

  Args:
    fn: per-device function.
    mesh: the mesh it runs on.
    level: see `compiling.optimisation`.
  """
  return jax.jit(
    jax.shard_map(
      fn,
      mesh=mesh,
      in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
      out_specs=PartitionSpec(AXIS),
      check_vma=False,
    ),
    compiler_options=compiling.optimisation(level),
  )


def compile_sums(fn: Callable, mesh: Mesh) -> Callable:
  """Compiles `fn(replicated, rows) -> sums`, all-reduced by `fn` itself: equal on every device."""
  return jax.jit(
    jax.shard_map(
      fn,
      mesh=mesh,
      in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
      out_specs=PartitionSpec(),
      check_vma=False,
    ),
    compiler_options=compiling.optimisation(compiling.FASTEST),
  )


def compile_step(step: Callable, mesh: Mesh, mode: str) -> Callable:
  """Compiles a per-device `step(state, epoch) -> (state, metrics)`, donating the state.

  Args:
    step: per-device function; state and metrics are replicated, every array of epoch is this
      device's part of an array of `lay_out_epoch`.
    mesh: the mesh it runs on.
    mode: "shard_map" or "pmap".

  Returns:
    A function of a replicated state and a laid-out epoch, which compiles once, at its first call. A
    second trace is an AssertionError.
  """
  step = trace_once(step)
  if mode == "pmap":
    mapped = jax.pmap(
      step, axis_name=AXIS, in_axes=(None, 1), out_axes=None, devices=_local(mesh), donate_argnums=0
    )
    return one_at_a_time(mapped, mesh)
  return one_at_a_time(shard_step(step, mesh), mesh)


def shard_step(step: Callable, mesh: Mesh, level: int | None = None) -> Any:
  """The jitted program of `compile_step` under shard_map."""
  mapped = jax.shard_map(
    step,
    mesh=mesh,
    in_specs=(PartitionSpec(), PartitionSpec(None, AXIS)),
    out_specs=PartitionSpec(),
    check_vma=False,
  )
  return jax.jit(mapped, donate_argnums=0, compiler_options=compiling.optimisation(level))


def one_at_a_time(fn: Callable, mesh: Mesh) -> Callable:
  """`fn`, which waits for its result where processor devices share the threads they run on.

  With many programs under way there devices may wait for one that has no thread left to run on.
  """
  local = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
  if len(local) == 1 or local[0].platform != "cpu":
    return fn
  return lambda *args: jax.block_until_ready(fn(*args))


def trace_once(fn: Callable) -> Callable:
  """Makes a second trace of `fn` an AssertionError: shape, dtype or sharding changed unnoticed."""
  traces = 0

  @functools.wraps(fn)
  def traced(*args):
    nonlocal traces
    traces += 1
    assert traces == 1, (
      f"{fn.__name__} is traced again: its inputs changed shape, dtype or sharding"
    )
    return fn(*args)

  return traced


def lay_out_epoch(epoch: Any, mesh: Mesh, mode: str) -> Any:
  """Gives batches (T, B, ...), sharded over B, the layout `compile_step` expects in this mode."""
  if mode == "shard_map":
    return epoch
  local = multihost_utils.global_array_to_host_local_array(epoch, mesh, PartitionSpec(None, AXIS))
  split = lambda a: a.reshape(a.shape[0], len(mesh.local_devices), -1, *a.shape[2:])
  return jax.tree.map(split, local)


def globalise(tree: Any, mesh: Mesh) -> Any:
  """Turns the host-local results of a pmap step into the global arrays that checkpoints need."""
  if jax.process_count() == 1:
    return tree
  return multihost_utils.host_local_array_to_global_array(tree, mesh, PartitionSpec())


def gather_rows(tree: Any) -> Any:
  """Copies row-sharded arrays as numpy arrays to every process that holds a part of them."""
  return jax.tree.map(
    lambda a: (
      np.asarray(a) if a.is_fully_addressable else multihost_utils.process_allgather(a, tiled=True)
    ),
    tree,
  )


def _local(mesh: Mesh) -> list[jax.Device] | None:
  """pmap takes the devices of a single process by name, those of several by default."""
  return list(mesh.devices.flat) if jax.process_count() == 1 else None
