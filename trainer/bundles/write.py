"""Line bundles on a run's manifold in files: bundle_1_-1.json, the field in bundle_1_-1.npz."""

import pathlib

import jax

from trainer.bundles import line_bundles, matter_of_run
from trainer.harmonic import measure, write
from trainer.quadrature import of_run
from trainer.quadrature.of_run import Settings
from trainer.run import checkpoint, metrics
from trainer.run import run as runs


def write_bundle(
  workdir: pathlib.Path,
  text: str,
  *,
  mesh: jax.sharding.Mesh,
  data_dir: pathlib.Path | None,
  memory: int,
  num_points: int | None = None,
  seed: int | None = None,
  degree: int | None = None,
) -> pathlib.Path:
  """Writes the Hermitian Yang-Mills metrics of line bundles into the directory of a run.

  The file is that of trainer.bundles.line_bundles.measure and has the "degree" of the functions,
  and "matter", see matter_of_run.describe, or {"missing": why there is none}; that of a sum has a
  list "bundles" of these and "sum", see describe_sum, and that of three whose product is trivial
  "yukawa", see matter_of_run.couple. The .npz has points, their weights of dvol, the metric,
  "curvature" (B, R, n, n), F_{a bbar} of R line bundles, and of each with matter "matter_k_1_..",
  e^(-f/2) nu(conj(e_i)) (B, h^1, n) in the frame that trainer.geometry.small.unitary_frame makes.

  Args:
    workdir: the directory of a run.
    text: see trainer.bundles.line_bundles.parse.
    mesh: the devices.
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results.
    num_points: held-out points; by default those of the config.
    seed: of the points; by default the run's.
    degree: of the functions; by default that of the forms kept in the directory, else what time
      allows.

  Returns:
    The path of the JSON file.

  Raises:
    UserError: there is no trained metric, or the bundle or the degree is wrong.
  """
  variety = runs.load_run(workdir).problem.variety
  rows = line_bundles.parse(text, variety)
  progress = metrics.Progress(enabled=jax.process_index() == 0)
  settings = Settings(mesh, data_dir, memory)
  run, params, forms = write.solved(workdir, settings, degree, progress)
  count = num_points or run.config.data.heldout_points
  at = of_run.background(run, params, settings, progress, "heldout", count, seed)
  before = measure.at_fubini_study(variety, at)
  after = measure.at_points(variety, forms, at)
  fields = matter_of_run.find(run, params, settings, forms, rows, degree, at, progress)

  def describe(row):
    if row in fields:
      return matter_of_run.describe(variety, at, after["volume"], fields[row])
    return {"missing": matter_of_run.missing(variety, row)}

  found = [
    line_bundles.measure(variety, row, before, after, at.points_per_slice)
    | {"bundle": list(row), "degree": forms.degree, "matter": describe(row)}
    for row in rows
  ]
  content = found[0]
  if len(rows) > 1:
    content = {"bundles": found, "sum": line_bundles.describe_sum(variety, rows)}
  if matter_of_run.have_couplings(variety, rows) and set(rows) <= set(fields):
    three = [fields[row] for row in rows]
    content["yukawa"] = matter_of_run.couple(variety, rows, at, after["volume"], three)
  text_of = lambda row: "_".join(map(str, row))
  name = "bundle_" + "__".join(map(text_of, rows))
  if jax.process_index() == 0:
    arrays = {key: after[key] for key in ("x", "pullback", "metric", "volume")}
    arrays |= {"curvature": line_bundles.curvature(rows, after["forms"])}
    arrays |= {f"matter_{text_of(row)}": part.harmonic["nu"] for row, part in fields.items()}
    of_run.save(workdir / f"{name}.npz", arrays)
    checkpoint.write_json(workdir / f"{name}.json", content)
  progress.close()
  return workdir / f"{name}.json"
