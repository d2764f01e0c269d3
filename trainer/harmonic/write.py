"""The harmonic forms of a run in files: harmonic.json, and harmonic.npz with forms at points."""

import pathlib
from typing import Any

import jax
import numpy as np

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import description
from trainer.geometry.deformations import check_nontrivial
from trainer.harmonic import deformations, measure, solve
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
  functions; "deformations" and more of trainer.harmonic.deformations.measure, and the "degree_f"
  of f, if the config names parameters. harmonic.npz has points, their weights of dvol, the metric,
  the forms alpha_i there and "mu" (B, m, n, n), mu^a_bbar [i, b, a] of the parameters "names".

  Args:
    workdir: the directory of a run.
    mesh: the devices.
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results.
    num_points: held-out points; by default those of the config.
    seed: of the points; by default the run's.
    degree: of the functions, those of deformations at most; by default what time allows.

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
  content = {"degree": forms.degree, "kaehler": found}
  if run.config.variety.parameters:
    more, mu = _deformations(run, params, settings, degree, at, progress)
    content, values = content | more, values | {"mu": mu, "names": np.array(more["names"])}
  if jax.process_index() == 0:
    of_run.save(workdir / "harmonic.npz", values)
    checkpoint.write_json(workdir / "harmonic.json", content)
  progress.close()
  return workdir / "harmonic.json"


def solved(
  workdir: pathlib.Path, settings: Settings, degree: int | None, progress: metrics.Progress
) -> tuple[Run, Any, KaehlerForms]:
  """A run, the parameters of its network and its harmonic (1, 1) forms."""
  progress.stage(f"loading {workdir}")
  run, params = of_run.load(workdir)
  return run, params, solve.forms_of_run(run, params, workdir, settings, degree, progress)


def _deformations(run, params, settings, degree, at, progress):
  """What harmonic.json has of them, and mu at points."""
  variety, ansatz = run.problem.variety, run.problem.ansatz
  if ansatz.potential is None:
    raise UserError(f"the network {run.network} makes a metric without a potential to deform")
  named = description.deformations(run.config)
  check_nontrivial(variety, named)
  directions = tuple(named.values())
  degree = deformations.degree_for(variety, directions, degree)
  count = deformations.num_points(variety, directions, degree)
  progress.stage(
    f"deformations along {', '.join(named)}: functions of degree {degree}, {count:,} points"
  )
  params = jax.tree.map(lambda a: np.asarray(a, parallel.widest_dtype()), params)
  fit = of_run.background(run, params, settings, progress, "train", count)
  arguments = variety, ansatz.metric, params, directions
  potentials = deformations.solve(*arguments, fit, degree)
  values = deformations.at_points(*arguments, potentials, at)
  found = deformations.measure(values, list(named), at.points_per_slice)
  return found | {"degree_f": degree, "names": list(named)}, values["mu"][1]
