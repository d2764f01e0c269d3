"""The spectrum of a run in files: spectrum.json, its eigenfunctions in spectrum.npz, a picture."""

import pathlib

import jax

from trainer.certificate import pictures
from trainer.devices import parallel, speed
from trainer.quadrature import calibrate, of_run
from trainer.quadrature import functions as fields
from trainer.run import checkpoint, metrics
from trainer.spectrum import blocks as by_group
from trainer.spectrum import group as groups
from trainer.spectrum import measure, plan

FILE = "spectrum.npz"


def write_spectrum(
  workdir: pathlib.Path,
  *,
  mesh: jax.sharding.Mesh,
  data_dir: pathlib.Path | None,
  memory: int,
  num_points: int | None = None,
  seed: int | None = None,
  degree: int | None = None,
) -> pathlib.Path:
  """Writes spectrum.json, spectrum.npz and spectrum.png into the directory of a run.

  spectrum.json has "levels", a list of trainer.spectrum.levels.Level, of the metric scaled to
  volume 1; the "degree" of the functions, the "control_degree" of calibrated weights, 0 if these
  are plain, "points", and the order of the "group" that means were taken over.
  spectrum.npz has the "values" (L,) and "forms" (L, N_k, N_k) of trainer.spectrum.ritz.Modes, and
  the "level" (L,) that each belongs to.

  Args:
    workdir: the directory of a run.
    mesh: the devices.
    data_dir: where sampled points are cached.
    memory: bytes of a device for results.
    num_points: held-out points; by default as many as the degree needs.
    seed: of the points; by default the run's.
    degree: of the functions; by default what time allows.

  Returns:
    The path of spectrum.json.

  Raises:
    UserError: there is no trained metric, or degree or points do not suit.
  """
  progress = metrics.Progress(enabled=jax.process_index() == 0)
  progress.stage(f"loading {workdir}")
  run, params = of_run.load(workdir)
  variety, group = run.problem.variety, groups.of_run(run)
  chosen = parallel.of_first_process(
    plan.make(
      variety,
      degree,
      num_points,
      block=2 * run.problem.points_per_slice * mesh.size,
      rate=speed.measure(mesh.size).flops,
      memory=memory,
      group=group,
    )
  )
  chosen = plan.Plan(*chosen)
  progress.stage(str(chosen))
  settings = of_run.Settings(mesh, data_dir, memory)
  at = of_run.background(run, params, settings, progress, "heldout", chosen.points, seed)
  controls = blocks = None
  if chosen.control_degree:
    known = fields.of_degree(variety, chosen.control_degree)
    whole = group is None
    controls = calibrate.all_of_degree(known) if whole else calibrate.invariants(known, group)
  if group is not None:
    blocks = by_group.make(variety, chosen.degree, group)
  functions = fields.of_degree(variety, chosen.degree)
  found = measure.spectrum(at, functions, controls, blocks=blocks, progress=progress.stage)
  if jax.process_index() == 0:
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
      metric=of_run.digest(params),
    )
    of_run.save(workdir / FILE, arrays)
    figure = pictures.spectrum(found.levels, variety.dimension, pictures.LIGHT)
    (workdir / "spectrum.png").write_bytes(pictures.png(figure))
    checkpoint.write_json(workdir / "spectrum.json", content)
  progress.close()
  return workdir / "spectrum.json"
