"""What efficiency to expect of 8 to 4096 devices, from counted work and stated speeds.

A step takes the time of its floating-point operations or of its memory traffic, whichever is
longer, and of its collectives, as if each were an all-reduce: over the devices that fast links
join, then of every device's share over slow ones. Nothing overlaps. With V bytes, n devices a group
and G groups:

  2 V (n - 1) / (n fast) + 2 V (G - 1) / (n G slow) + 2 latency log2 per level and collective
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any, NamedTuple

from trainer.optimizers import cholesky

DEVICES = (8, 64, 512, 4096)


class Links(NamedTuple):
  """What joins devices: bytes a second of each in one direction, seconds until the first arrive."""

  speed: float
  latency: float


class Machine(NamedTuple):
  """A kind of device and how many of them are joined.

  Attributes:
    name: its name.
    flops: floating-point operations a second that float32 matmuls reach.
    memory: bytes a second.
    group: devices that fast links join.
    fast: those.
    slow: links between groups.
  """

  name: str
  flops: float
  memory: float
  group: int
  fast: Links
  slow: Links


# Vendors' figures: 197 TFLOP/s in bfloat16, of which float32 in six passes; 1600 Gbit/s a chip over
# a pod of 256, 25 Gbit/s a chip of a host's network. 67 TFLOP/s, 900 GB/s of NVLink in both
# directions over 8, 400 Gbit/s a GPU. Processors: two sockets of 32 cores. Of peaks half is taken.
MACHINES = (
  Machine("TPU v5e", 1.6e13, 8.2e11, 256, Links(1.0e11, 2e-6), Links(3e9, 3e-5)),
  Machine("H100, NVLink", 3.3e13, 3.3e12, 8, Links(4.5e11, 5e-6), Links(5e10, 1e-5)),
  Machine("processors, Ethernet", 2e12, 4e11, 1, Links(math.inf, 0.0), Links(3e9, 5e-5)),
)


def all_reduce(machine: Machine, devices: int, size: float, number: float) -> float:
  """Seconds of so many all-reduces of `size` bytes altogether."""
  inner = min(machine.group, devices)
  outer = devices // inner
  fast = 2 * size * (inner - 1) / inner / machine.fast.speed
  slow = 2 * size * (outer - 1) / outer / inner / machine.slow.speed
  hops = machine.fast.latency * math.log2(inner) + machine.slow.latency * math.log2(outer)
  return fast + slow + 2 * number * hops


def predict(rows: Sequence[dict[str, Any]], machines: Sequence[Machine] = MACHINES) -> list[dict]:
  """Efficiencies of each case on each machine.

  Args:
    rows: of trainer.benchmarks.scaling.count_work, on two numbers of devices and more.
    machines: see MACHINES.

  Returns:
    For each machine and case: points a device (as many as the counted case has on most); weak D:
    T(1) / T(D) with that many on every device, where the system does not grow with the points;
    strong D: T(1) / (D T(D)) with the counted batch; and how many points a device needs for a weak
    efficiency of 0.9 on most devices.
  """
  most = max(row["devices"] for row in rows)
  return [_predict(machine, row) for machine in machines for row in rows if row["devices"] == most]


def _predict(machine, row):
  counted = row["devices"]
  points = row["points"] // counted
  compute = max(row["flops"] / machine.flops, row["bytes"] / machine.memory)

  def communicate(devices):
    size, number = row["communicated_bytes"], row["collectives"]
    if cholesky.layout(row["dense"], devices):
      size, number = size + 8 * row["dense"] ** 2, number + 2 * row["dense"] / cholesky.WIDEST
    return all_reduce(machine, devices, size, number)

  def dense(devices):
    # In float64, at half the speed.
    return 2 * cholesky.flops(row["dense"], devices) / machine.flops

  alone = compute + dense(1)
  weak = {d: alone / (compute + dense(d) + communicate(d)) for d in DEVICES}
  whole = compute * counted
  strong = {d: (whole + dense(1)) / d / (whole / d + dense(d) + communicate(d)) for d in DEVICES}
  lost = max(communicate(DEVICES[-1]) + dense(DEVICES[-1]) - dense(1), 0.0)
  needed = math.ceil(max(9 * lost - dense(1), 0.0) / compute * points)
  if row["solver"] == "sample_space":
    weak, needed = dict.fromkeys(DEVICES, "-"), "-"
  return {
    "machine": machine.name,
    "solver": row["solver"],
    "points a device": points,
    **{f"weak {d}": weak[d] for d in DEVICES},
    **{f"strong {d}": strong[d] for d in DEVICES},
    "points for 0.9": needed,
  }
