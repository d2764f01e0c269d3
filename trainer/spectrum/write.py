"""The spectrum of a run in files: spectrum.json, its eigenfunctions in spectrum.npz, a picture."""

import pathlib

import jax

from trainer.certificate import pictures
from trainer.devices import parallel
from trainer.quadrature import calibrate, of_run
from trainer.quadrature import functions as fields
from trainer.quadrature.of_run import Task
from trainer.spectrum import blocks as by_group
from trainer.spectrum import group as groups
from trainer.spectrum import measure, plan

FILE = "spectrum.npz"
_UNFINISHED = "spectrum"


def write_spectrum(task: Task) -> pathlib.Path:
  """Writes spectrum.json, spectrum.npz and spectrum.png into the directory of a run.

  spectrum.json has "levels", a list of trainer.spectrum.levels.Level, of the metric scaled to
  volume 1; the "degree" of the functions, the "control_degree" of calibrated weights, 0 if these
  are plain, "points", and the order of the "group" that means were taken over.
  spectrum.npz has the "values" (L,) and "forms" (L, N_k, N_k) of trainer.spectrum.ritz.Modes, and
  the "level" (L,) that each belongs to.

  Args:
    task: without a number of points it takes as many as the degree needs.

  Returns:
    The path of spectrum.json.

  Raises:
    UserError: degree or points do not suit.
  """
  variety, group, progress = task.variety, groups.of_run(task.run), task.progress
  chosen = parallel.of_first_process(
    plan.make(
      variety,
      task.degree,
      task.num_points,
      block=2 * task.run.problem.points_per_slice * task.mesh.size,
      rate=task.rate,
      memory=task.memory,
      group=group,
    )
  )
  chosen = plan.Plan(*chosen)
  progress.stage(str(chosen))
  at = task.background("heldout", chosen.points, task.seed)
  controls = blocks = None
  if chosen.control_degree:
    known = fields.of_degree(variety, chosen.control_degree)
    whole = group is None
    controls = calibrate.all_of_degree(known) if whole else calibrate.invariants(known, group)
  if group is not None:
    blocks = by_group.make(variety, chosen.degree, group)
  functions = fields.of_degree(variety, chosen.degree)
  # Of the plan, not the time it predicts: that is another one each time.
  sizes = chosen.degree, chosen.control_degree, chosen.points
  source = {"digest": task.digest, "of": f"{sizes}, seed {task.seed}, {group}"}
  kept = lambda name, make: task.unfinished.once(f"{_UNFINISHED}_{name}", source, make)
  found = measure.spectrum(
    at, functions, controls, blocks=blocks, progress=progress.stage, kept=kept
  )
  content = {
    "degree": chosen.degree,
    "control_degree": chosen.control_degree,
    "points": chosen.points,
    "group": groups.order(variety, group) if group else 1,
    "levels": [level._asdict() for level in found.levels],
  }
  arrays = dict(
    degree=chosen.degree,
    values=found.modes.values,
    forms=found.modes.forms,
    level=[i for i, level in enumerate(found.levels) for _ in range(level.multiplicity)],
    metric=of_run.digest(task.params),
  )
  if jax.process_index() == 0:
    figure = pictures.spectrum(found.levels, variety.dimension, pictures.LIGHT)
    (task.workdir / "spectrum.png").write_bytes(pictures.png(figure))
  path = task.write("spectrum", content, arrays)
  task.unfinished.clear(_UNFINISHED)
  return path
