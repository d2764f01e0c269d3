"""The harmonic forms of a run in files: harmonic.json, and harmonic.npz with forms at points."""

import os
import pathlib
from typing import Any

import jax
import numpy as np

from trainer.errors import UserError
from trainer.harmonic import measure, solve
from trainer.harmonic.solve import KaehlerForms, Settings
from trainer.loop.state import load_state
from trainer.run import checkpoint, metrics
from trainer.run import run as runs
from trainer.run.run import Run


def write_harmonic(
  workdir: pathlib.Path,
  *,
  mesh: jax.sharding.Mesh,
  data_dir: pathlib.Path | None,
  memory: int,
  num_points: int | None = None,
  seed: int | None = None,
  degree: int | None = None,
) -> pathlib.Path:
  """Writes harmonic.json and harmonic.npz into the directory of a run.

  harmonic.json has "kaehler", see trainer.harmonic.measure.inner_products, and the "degree" of the
  functions. harmonic.npz has points, their weights of dvol, the metric and the forms alpha_i there.

  Args:
    workdir: the directory of a run.
    mesh: the devices.
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results.
    num_points: held-out points; by default those of the config.
    seed: of the points; by default the run's.
    degree: of the functions; by default what time allows.

  Returns:
    The path of harmonic.json.

  Raises:
    UserError: there is no trained metric, or the degree is wrong.
  """
  progress = metrics.Progress(enabled=jax.process_index() == 0)
  settings = Settings(mesh, data_dir, memory)
  run, params, forms = solved(workdir, settings, degree, progress)
  count = num_points or run.config.data.heldout_points
  at = solve.background(run, params, settings, progress, "heldout", count, seed)
  variety = run.problem.variety
  values = measure.at_points(variety, forms, at)
  found = measure.inner_products(variety, values, at.points_per_slice)
  if jax.process_index() == 0:
    save(workdir / "harmonic.npz", values)
    checkpoint.write_json(workdir / "harmonic.json", {"degree": forms.degree, "kaehler": found})
  progress.close()
  return workdir / "harmonic.json"


def solved(
  workdir: pathlib.Path, settings: Settings, degree: int | None, progress: metrics.Progress
) -> tuple[Run, Any, KaehlerForms]:
  """A run, the parameters of its network and its harmonic (1, 1) forms."""
  progress.stage(f"loading {workdir}")
  run, params = trained_metric(workdir)
  return run, params, solve.forms_of_run(run, params, workdir, settings, degree, progress)


def trained_metric(workdir: pathlib.Path) -> tuple[Run, Any]:
  """The run of a metric and the parameters of its network; UserError if there is none."""
  run = runs.load_run(workdir)
  if not hasattr(run.problem, "ansatz"):
    raise UserError(f"{workdir} holds no metric: it learned {run.problem.describe()}")
  return run, jax.tree.map(np.asarray, load_state(run, workdir).params["network"])


def save(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
  """Writes arrays so that `path` holds either its old content or the whole new one."""
  temporary = path.with_name(path.name + ".tmp")
  with temporary.open("wb") as file:
    np.savez(file, **arrays)
  os.replace(temporary, path)
