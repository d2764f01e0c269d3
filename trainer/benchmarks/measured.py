"""Weak and strong scaling of a step, measured over devices and processes of this machine.

Fake devices share a processor's cores: what is seen there is what spreading costs, by how much all
of them together do less than one device alone, and no gain. Accelerators are measured in one
process.
"""

from __future__ import annotations

from collections.abc import Sequence
import multiprocessing
import socket
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainer.benchmarks.points import some_points
from trainer.benchmarks.step import make_stepper
from trainer.devices import parallel
from trainer.geometry.variety import Variety
from trainer.metric.problem import MetricProblem
from trainer.points.batch import Batch, cast

_COUNTS = (1, 2, 4, 8)
_PROCESSES = 2
_NETWORK = "phi_mlp(widths=(32, 32))"
# Of a device where the batch grows with them; of all devices where it does not.
_POINTS = 256
# Rounds, in each of which every case takes a step; the first compile.
_ROUNDS, _UNTIMED = 15, 2


def measure(variety: Variety, counts: Sequence[int] = _COUNTS, points: int = _POINTS) -> list[dict]:
  """Times first-order steps in float32 on some numbers of devices, in one process and in two.

  Args:
    variety: the manifold.
    counts: numbers of devices in all, rising from 1.
    points: of each device's part of a batch, in weak scaling; all batches of strong scaling are
      those of most devices.

  Returns:
    A row for each case: scaling, processes, devices, points of the batch, milliseconds a step, and
    throughput, points a second over those of one device.
  """
  most = points * counts[-1]
  batch = jax.tree.map(np.asarray, cast(some_points(variety, most), jnp.float32))
  if jax.default_backend() == "cpu":
    rows = [row for number in (1, _PROCESSES) for row in _apart(number, variety, batch, counts)]
  else:
    rows = _rows(variety, batch, [count for count in counts if count <= jax.local_device_count()])
  alone = {row["scaling"]: row["points"] / row["milliseconds"] for row in rows[:2]}
  return [
    row | {"throughput": row["points"] / row["milliseconds"] / alone[row["scaling"]]}
    for row in rows
  ]


def _apart(number, variety, batch, counts):
  """The rows of so many processes, started for it: what devices there are is set at the start."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    address = f"localhost:{probe.getsockname()[1]}"
  context = multiprocessing.get_context("spawn")
  found = context.SimpleQueue()
  processes = [
    context.Process(target=_join, args=(found, address, number, i, variety, batch, counts))
    for i in range(number)
  ]
  for process in processes:
    process.start()
  for process in processes:
    process.join()
    if process.exitcode:
      raise RuntimeError(f"a process of the benchmark ended with status {process.exitcode}")
  return found.get()


def _join(found, address, number, index, variety, batch, counts):
  jax.config.update("jax_platforms", "cpu")
  jax.config.update("jax_num_cpu_devices", counts[-1] // number)
  jax.config.update("jax_enable_x64", True)
  if number > 1:
    jax.distributed.initialize(address, number, index)
  rows = _rows(variety, batch, [count for count in counts if count >= number])
  if index == 0:
    found.put(rows)


def _rows(variety: Variety, batch: Batch, counts: Sequence[int]) -> list[dict[str, Any]]:
  problem, most, largest = MetricProblem(variety, _NETWORK), len(batch.weight), counts[-1]
  cases = [
    {"scaling": scaling, "processes": jax.process_count(), "devices": count, "points": points}
    for count in counts
    for scaling, points in (("weak", most // largest * count), ("strong", most))
  ]
  steppers = [_stepper(problem, batch, case) for case in cases]
  times = np.zeros((_ROUNDS, len(cases)))
  for row in times:
    for i, step in enumerate(steppers):
      began = time.perf_counter()
      jax.block_until_ready(step())
      row[i] = time.perf_counter() - began
  medians = 1e3 * np.median(times[_UNTIMED:], axis=0)
  return [
    case | {"milliseconds": float(median)} for case, median in zip(cases, medians, strict=True)
  ]


def _stepper(problem, batch, case):
  """Steps on equally many devices of each process."""
  share = case["devices"] // case["processes"]
  devices = [
    device
    for index in range(case["processes"])
    for device in [d for d in jax.devices() if d.process_index == index][:share]
  ]
  rows = jax.tree.map(lambda a: a[: case["points"]], batch)
  return make_stepper(problem, rows, parallel.make_mesh(devices))
