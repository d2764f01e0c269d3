"""Points a second: sampling, and evaluation of a metric."""

from __future__ import annotations

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp

from trainer.benchmarks import timing
from trainer.devices import parallel
from trainer.geometry.variety import Variety
from trainer.metric.problem import MetricProblem
from trainer.points.batch import Batch, cast
from trainer.problem.evaluation import Evaluator
from trainer.sampling.sampler import Sampler, finish

# Bytes for intermediate results of an evaluation.
_MEMORY = 2**30


def time_sampling(varieties: dict[str, Variety], seconds: float) -> dict[str, dict[str, float]]:
  """Finished points a second, weights and residue included, and where the time goes, by manifold.

  Args:
    varieties: by name.
    seconds: how long to measure, all manifolds and stages together.

  Returns:
    points_per_second, and the shares of the three stages of a block: random_numbers, solutions
    (all points of all slices, polished), checks_and_weights.
  """
  functions, sizes = {}, {}
  key = jax.random.key(0)
  for name, variety in varieties.items():
    sampler = Sampler(variety)
    frames = sampler.frames(key, 0)
    z = sampler.solve(frames)
    functions |= {
      (name, "block"): functools.partial(sampler.block, key, 0),
      (name, "random_numbers"): functools.partial(sampler.frames, key, 0),
      (name, "solutions"): functools.partial(sampler.solve, frames),
      (name, "checks_and_weights"): functools.partial(finish, variety, sampler.types, z),
    }
    sizes[name] = sampler.points_per_block
  times = timing.alternate(functions, seconds)
  result = {
    "points_per_second": {name: sizes[name] / times[name, "block"].median for name in varieties}
  }
  for stage in ("random_numbers", "solutions", "checks_and_weights"):
    result[f"share_of_{stage}"] = {
      name: times[name, stage].median / times[name, "block"].median for name in varieties
    }
  return result


def time_evaluation(
  variety: Variety, batch: Batch, widths: Sequence[int], seconds: float
) -> dict[str, float]:
  """Points a second of the metric, its determinant and its least eigenvalue, in float64."""
  problem = MetricProblem(variety, f"phi_mlp(widths={tuple(widths)})")
  mesh = parallel.make_mesh(jax.local_devices()[:1])
  evaluator = Evaluator(problem.values, mesh, _MEMORY)
  batch = jax.device_put(cast(batch, jnp.float64), parallel.sharded(mesh))
  params = problem.init(jax.random.key(0), 1.0)
  points = batch.x.shape[0]
  times = timing.alternate({"evaluation": lambda: evaluator(params, batch, points)}, seconds)
  return {"points": points, "points_per_second": points / times["evaluation"].median}
