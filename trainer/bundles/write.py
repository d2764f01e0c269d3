"""Line bundles on a run's manifold in files: bundle_1_-1.json, the field in bundle_1_-1.npz."""

import pathlib

from trainer.bundles import line_bundles, matter_of_run
from trainer.harmonic import measure, solve
from trainer.quadrature.of_run import Task


def check(task: Task, text: str) -> None:
  """Raises UserError, before anything long, if there are no such bundles."""
  matter_of_run.check(task, line_bundles.parse(text, task.variety))
  solve.check(task)


def write_bundle(task: Task, text: str) -> pathlib.Path:
  """Writes the Hermitian Yang-Mills metrics of line bundles into the directory of a run.

  The file is that of trainer.bundles.line_bundles.measure and has the "degree" of the functions,
  and "matter", see matter_of_run.describe, or {"missing": why there is none}; that of a sum has a
  list "bundles" of these and "sum", see describe_sum, and that of three whose product is trivial
  "yukawa", see matter_of_run.couple. The .npz has points, their weights of dvol, the metric,
  "curvature" (B, R, n, n), F_{a bbar} of R line bundles, and of each with matter "matter_k_1_..",
  e^(-f/2) nu(conj(e_i)) (B, h^1, n) in the frame that trainer.geometry.small.unitary_frame makes.

  Args:
    task: checked; without a degree it takes that of the forms kept in the directory, or the highest
      that time allows.
    text: see trainer.bundles.line_bundles.parse.

  Returns:
    The path of the JSON file.
  """
  variety, rows = task.variety, line_bundles.parse(text, task.variety)
  forms, at = solve.forms_of_run(task), task.heldout()
  before = measure.at_fubini_study(variety, at)
  after = measure.at_points(variety, forms, at)
  fields = matter_of_run.find(task, forms, rows, at)

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
  arrays = {key: after[key] for key in ("x", "pullback", "metric", "volume")}
  arrays |= {"curvature": line_bundles.curvature(rows, after["forms"])}
  arrays |= {f"matter_{text_of(row)}": part.harmonic["nu"] for row, part in fields.items()}
  path = task.write("bundle_" + "__".join(map(text_of, rows)), content, arrays)
  task.unfinished.clear(matter_of_run.UNFINISHED)
  return path
