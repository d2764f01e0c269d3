"""The harmonic forms of a run in files: harmonic.json, and harmonic.npz with forms at points."""

import pathlib
from typing import Any

import jax

from trainer.harmonic import measure, solve
from trainer.harmonic.solve import KaehlerForms
from trainer.quadrature import of_run
from trainer.quadrature.of_run import Settings
from trainer.run import checkpoint, metrics
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
  at = of_run.background(run, params, settings, progress, "heldout", count, seed)
  variety = run.problem.variety
  values = measure.at_points(variety, forms, at)
  found = measure.inner_products(variety, values, at.points_per_slice)
  if jax.process_index() == 0:
    of_run.save(workdir / "harmonic.npz", values)
    checkpoint.write_json(workdir / "harmonic.json", {"degree": forms.degree, "kaehler": found})
  progress.close()
  return workdir / "harmonic.json"


def solved(
  workdir: pathlib.Path, settings: Settings, degree: int | None, progress: metrics.Progress
) -> tuple[Run, Any, KaehlerForms]:
  """A run, the parameters of its network and its harmonic (1, 1) forms."""
  progress.stage(f"loading {workdir}")
  run, params = of_run.load(workdir)
  return run, params, solve.forms_of_run(run, params, workdir, settings, degree, progress)
