"""Which comparisons make up a suite, and how they are printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from trainer.benchmarks import measured, scaling, scaling_model
from trainer.benchmarks.curvature import time_curvature
from trainer.benchmarks.devices import time_devices
from trainer.benchmarks.points import some_points
from trainer.benchmarks.step import time_step
from trainer.benchmarks.throughput import time_evaluation, time_sampling
from trainer.geometry.variety import Variety

SUITES = ("quick", "sampling", "full", "scaling")

# The comparison that everything else refers to.
_MANIFOLD = "fermat_quintic"
_WIDTHS, _BATCH = (64, 64, 64), 1024
_DEVICE_COUNTS = (1, 2, 4)
_NOTES = {
  "measured": (
    "Measured here. Devices of one processor share its cores: throughput, against one device's, is",
    "what spreading leaves of it, and cannot grow with them.",
  )
}
_SWEEP_WIDTHS, _SWEEP_BATCHES = (32, 64, 128, 256, 512), (256, 4096, 16384)


def manifolds(suite: str) -> tuple[str, ...]:
  """Names of the configs whose manifolds a suite needs."""
  if suite in ("quick", "scaling"):
    return (_MANIFOLD,)
  return (_MANIFOLD, "cubic_pair", "bicubic", "tetraquadric", "schoen")


def run(suite: str, varieties: dict[str, Variety], seconds: float) -> Iterator[tuple[str, Any]]:
  """Yields the sections of a suite, by name, as they are finished.

  Args:
    suite: one of SUITES.
    varieties: one for each of `manifolds(suite)`.
    seconds: how long to measure each comparison.
  """
  if suite == "sampling":
    yield "sampling", time_sampling(varieties, seconds)
    return
  quintic = varieties[_MANIFOLD]
  if suite == "scaling":
    rows = scaling.count_work(quintic, scaling.CASES, scaling.COUNTS)
    yield "scaling", rows
    yield "predicted", scaling_model.predict(rows)
    yield "measured", measured.measure(quintic)
    return
  batch = some_points(quintic, _BATCH)
  yield "step", time_step(quintic, batch, _WIDTHS, seconds)
  yield (
    "curvature",
    time_curvature(
      quintic, batch, _WIDTHS, jnp.float64, 4096 if suite == "quick" else 65536, seconds
    ),
  )
  yield "sampling", time_sampling(varieties, seconds)
  yield "devices", {"milliseconds": time_devices(quintic, _BATCH, _WIDTHS, _DEVICE_COUNTS, seconds)}
  yield "evaluation", time_evaluation(quintic, batch, _WIDTHS, seconds)
  if suite == "quick":
    return
  yield (
    "batch_sweep",
    [time_step(quintic, some_points(quintic, size), _WIDTHS, seconds) for size in _SWEEP_BATCHES],
  )
  for name in (_MANIFOLD, "bicubic"):
    points = some_points(varieties[name], _BATCH)
    yield (
      f"width_sweep_{name}",
      [time_step(varieties[name], points, (width,) * 3, seconds) for width in _SWEEP_WIDTHS],
    )


def table(name: str, section: Any) -> str:
  """A section as text."""
  if name in ("scaling", "predicted", "measured"):
    return "\n".join([*_NOTES.get(name, ()), _columns(section)])
  if isinstance(section, list):
    return "\n".join(table(name, row) for row in section)
  lines = [name]
  for key, value in section.items():
    if isinstance(value, dict):
      lines += [f"  {key} {inner:<24} {_number(v)}" for inner, v in value.items()]
    elif not key.endswith(("_low", "_high")):
      low, high = section.get(f"{key}_low"), section.get(f"{key}_high")
      spread = f"  ({_number(low)} to {_number(high)})" if low is not None else ""
      lines.append(f"  {key:<28} {_number(value)}{spread}")
  return "\n".join(lines)


def _columns(rows: list[dict[str, Any]]) -> str:
  cells = [list(rows[0])] + [[_number(value) for value in row.values()] for row in rows]
  widths = [max(map(len, column)) for column in zip(*cells)]
  return "\n".join("  ".join(map(str.rjust, row, widths)) for row in cells)


def _number(value) -> str:
  return f"{value:,.4g}" if isinstance(value, float) else str(value)
