"""The same step on 1, 2, .. devices: real ones, or fake ones in a process of their own."""

from __future__ import annotations

from collections.abc import Sequence
import multiprocessing

import jax
import jax.numpy as jnp

from trainer.benchmarks import timing
from trainer.benchmarks.points import some_points
from trainer.benchmarks.step import make_stepper
from trainer.devices import parallel
from trainer.geometry.variety import Variety
from trainer.metric.problem import MetricProblem
from trainer.points.batch import cast


def time_devices(
  variety: Variety, size: int, widths: Sequence[int], counts: Sequence[int], seconds: float
) -> dict[str, float]:
  """Milliseconds of the jets' step with the same batch spread over 1, 2, .. devices.

  On a processor the devices are fake and share its cores: this shows the cost of spreading, no
  gain. They live in a process of their own, because a processor that is told to be several devices
  runs even one of them slower.

  Args:
    variety: the manifold.
    size: points of a batch.
    widths: hidden widths of the phi network.
    counts: numbers of devices; those that the machine does not have are left out, unless they can
      be fake.
    seconds: how long to measure.

  Returns:
    Milliseconds by the number of devices.
  """
  arguments = variety, size, tuple(widths), tuple(counts), seconds
  if jax.default_backend() != "cpu":
    return _time(*arguments)
  settings = {"jax_num_cpu_devices": max(counts), "jax_enable_x64": jax.config.jax_enable_x64}
  with multiprocessing.get_context("spawn").Pool(1, _configure, (settings,)) as pool:
    return pool.apply(_time, arguments)


def _configure(settings):
  for name, value in settings.items():
    jax.config.update(name, value)


def _time(variety, size, widths, counts, seconds):
  problem = MetricProblem(variety, f"phi_mlp(widths={widths})")
  batch = cast(some_points(variety, size), jnp.float32)
  functions = {
    str(count): make_stepper(problem, batch, parallel.make_mesh(jax.local_devices()[:count]))
    for count in counts
    if count <= jax.local_device_count()
  }
  return {name: 1e3 * t.median for name, t in timing.alternate(functions, seconds).items()}
