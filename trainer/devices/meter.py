"""How fast steps are and what part of it is communication, for the rows of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
import numpy as np

from trainer.devices import parallel
from trainer.devices.work import Collective, Work

# Timed runs of a collective, of which the median counts, and how often each does it.
_RUNS, _REPEATS = 5, 8


class Meter:
  """Turns the time of steps into what metrics.jsonl says of it.

  Collectives of a step are timed alone, when the meter is made, on data of their shapes: of equally
  fast devices that is what a step spends on them, unless the compiler lets them overlap with
  arithmetic. Waiting for a slower device is not in it.
  """

  def __init__(self, work: Work, mesh: Mesh):
    """Args: what a device does in a step; the devices, of which all processes make a meter."""
    self._work, self._devices = work, mesh.size
    self._seconds = {} if mesh.size == 1 else _time_collectives(work, mesh)

  def row(self, seconds: float, numbers: Mapping[str, float]) -> dict[str, float]:
    """What to say of steps that took so long.

    Args:
      seconds: of all of them.
      numbers: for "" how many they were; for each name of a loop how often it ran in all.

    Returns:
      step_seconds, the mean of a step; flops_per_second of all devices together;
      communication_share, of the time.
    """
    communication = sum(each * numbers[name] for name, each in self._seconds.items())
    return {
      "step_seconds": seconds / numbers[""],
      "flops_per_second": self._devices * self._work.total(numbers) / seconds,
      "communication_share": communication / seconds,
    }


def _time_collectives(work: Work, mesh: Mesh) -> dict[str, float]:
  """Seconds that a step's collectives take alone, for every name of its loops."""
  zeros = parallel.shard_rows(mesh, np.zeros(len(mesh.local_devices), np.float32), mesh.size)
  seconds = {}  # Panel after panel of a dense system is the same.
  for collective in (each for pairs in work.collectives.values() for each, _ in pairs):
    key = _key(collective)
    if key not in seconds:
      seconds[key] = _time(_repeated(collective, mesh), zeros) / _REPEATS
  return {
    name: sum(times * seconds[_key(collective)] for collective, times in pairs)
    for name, pairs in work.collectives.items()
  }


def _key(collective):
  return collective.primitive.name, str(collective.params), collective.operands


def _repeated(collective: Collective, mesh: Mesh) -> Callable[[jax.Array], Any]:
  """A program that does it again and again, each time with what it had of it before."""

  def again(_, operands):
    results = collective.primitive.bind(*operands, **collective.params)
    results = results if collective.primitive.multiple_results else [results]
    return [a + _like(b, a) for a, b in zip(operands, results, strict=True)]

  def on_device(zeros):
    # The compiler does not know that all is zero.
    operands = [jnp.full(a.shape, zeros[0], a.dtype) for a in collective.operands]
    return [a[None] for a in jax.lax.fori_loop(0, _REPEATS, again, operands)]

  rows = PartitionSpec(parallel.AXIS)
  mapped = jax.shard_map(on_device, mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False)
  return parallel.one_at_a_time(jax.jit(mapped), mesh)


def _like(result, operand):
  """A collective's result, or its first entry where it has another shape than what went in."""
  return result if result.shape == operand.shape else jnp.ravel(result)[0]


def _time(program: Callable[[jax.Array], Any], zeros: jax.Array) -> float:
  times = []
  for _ in range(1 + _RUNS):
    began = time.perf_counter()
    jax.block_until_ready(program(zeros))
    times.append(time.perf_counter() - began)
  return float(np.median(times[1:]))  # The first compiles.
