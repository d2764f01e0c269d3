"""The curvature of a run's metric at many points, in one file."""

import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import parallel
from trainer.geometry import patches
from trainer.points import dataset
from trainer.points.batch import Batch
from trainer.problem.evaluation import Evaluator
from trainer.run import run as runs
from trainer.use.curvature import at_points
from trainer.use.fields import cast
from trainer.use.run import load_run


def write_curvature(
  workdir: pathlib.Path,
  *,
  mesh: jax.sharding.Mesh,
  data_dir: pathlib.Path,
  memory: int,
  num_points: int | None = None,
  seed: int | None = None,
) -> pathlib.Path:
  """Writes curvature.npz into the directory of a run: points, and the metric's curvature there.

  Its arrays are those of trainer.use.run.RunPoints, of load_run(workdir).points(num_points, seed),
  and those of trainer.use.curvature.Curvature, in float64 and complex128.

  Args:
    workdir: the directory of a run.
    mesh: the devices to spread the points over.
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results.
    num_points: by default the held-out points of the config.
    seed: of the points; by default the run's.

  Returns:
    The file's path.

  Raises:
    UserError: there is no trained metric.
  """
  run, trained = runs.load_run(workdir), load_run(workdir)
  count = run.config.data.heldout_points if num_points is None else num_points
  dtype = parallel.widest_dtype()
  source = run.problem.source("heldout", run.seed if seed is None else seed, data_dir, mesh, dtype)
  points = dataset.load(source, count)

  def values(params: Any, batch: Batch) -> dict[str, jax.Array]:
    z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
    charts = jax.vmap(lambda z: patches.choose_chart(trained.variety, z))(z)
    of_points = {
      "z": z,
      "omega_squared": batch.omega,
      "pullback": batch.pullback,
      "local": jnp.argmax(charts.kept, axis=2),
    }
    return of_points | at_points(trained.fields, params, batch)._asdict()

  arrays = Evaluator(values, mesh, memory, level=1)(
    cast(trained.params, dtype), points.batch, count
  )
  arrays["local"] = arrays["local"].astype(int)
  path = workdir / "curvature.npz"
  if jax.process_index() == 0:
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
      np.savez(file, **arrays)
    os.replace(temporary, path)
  return path
