"""Ricci scalar and Riemann tensor per point: (2, 2) jets against nested autodiff."""

from __future__ import annotations

from collections.abc import Sequence
import functools
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from trainer.benchmarks import timing
from trainer.benchmarks.step import plain_phi
from trainer.curvature import potential, tensors
from trainer.devices import machine, microbatch
from trainer.geometry.variety import Variety
from trainer.points.batch import Batch, cast

# Points that nested autodiff is timed on; it costs the same a point for any number.
_NESTED_POINTS = 32


def time_curvature(
  variety: Variety,
  batch: Batch,
  widths: Sequence[int],
  dtype: jnp.dtype,
  num_points: int,
  seconds: float,
) -> dict[str, Any]:
  """Times the Ricci scalar together with the whole Riemann tensor of a phi network.

  Args:
    variety: the manifold.
    batch: some points; repeated up to num_points.
    widths: hidden widths.
    dtype: real dtype.
    num_points: points of the batch that jets work on, in chunks.
    seconds: how long to measure.

  Returns:
    nested_us_per_point, jets_us_per_point with quartiles, their ratio, peak_mib of the jets'
    program, its plan, and the largest difference of the two relative to the largest component.
  """
  batch = cast(batch, dtype)
  network = hk.without_apply_rng(
    hk.transform(functools.partial(plain_phi, ambient=variety.ambient, widths=widths))
  )
  params = network.init(jax.random.key(0), batch.x[0])
  # Off the starting point, where the last layer is zero and phi has no derivatives at all.
  params = jax.tree.map(
    lambda a: (a + 0.1 * jax.random.normal(jax.random.key(1), a.shape)).astype(dtype), params
  )

  def curvature(path, points):
    rows = potential.potential_rows(
      variety, functools.partial(network.apply, params), *points, path
    )
    return tensors.scalar(rows), tensors.riemann(rows).T

  index = np.arange(num_points) % batch.x.shape[0]
  points = batch.x[index], batch.pullback[index]
  few = jax.tree.map(lambda a: a[:_NESTED_POINTS], points)
  plan = microbatch.plan(functools.partial(curvature, "jets"), points, machine.default_memory())
  jets = (
    jax.jit(lambda points: microbatch.apply(functools.partial(curvature, "jets"), points, plan))
    .lower(points)
    .compile()
  )
  nested = jax.jit(functools.partial(curvature, "general"))
  times = timing.alternate({"nested": lambda: nested(few), "jets": lambda: jets(points)}, seconds)

  memory = jets.memory_analysis()
  peak = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
  difference = max(
    float(jnp.max(jnp.abs(a[: few[0].shape[0]] - b)) / jnp.max(jnp.abs(b)))
    for a, b in zip(jets(points), nested(few), strict=True)
  )
  nested_us = 1e6 / few[0].shape[0]
  return (
    times["nested"].scaled(nested_us, "nested_us_per_point")
    | times["jets"].scaled(1e6 / num_points, "jets_us_per_point")
    | {
      "nested_over_jets": (times["nested"].median * nested_us)
      / (times["jets"].median * 1e6 / num_points),
      "peak_mib": peak / 2**20,
      "points": num_points,
      "dtype": jnp.dtype(dtype).name,
      "plan": str(plan),
      "largest_difference": difference,
    }
  )
