"""Several runs beside each other: one table and one picture."""

from collections.abc import Sequence
import pathlib

from trainer.certificate import pictures
from trainer.certificate.certificate import read_certificate
from trainer.errors import UserError
from trainer.geometry.variety import configuration_text
from trainer.run import metrics
from trainer.sampling.statistics import format_measure

_COLUMNS = ("run", "manifold", "network", "unknowns", "seconds", "verdict")


def compare(workdirs: Sequence[pathlib.Path], picture: pathlib.Path) -> str:
  """Compares the certificates of runs and draws how they came to their merit.

  Args:
    workdirs: directories of certified runs.
    picture: the PNG file to write: the merit against seconds, and that of each certificate.

  Returns:
    The table: a column a run, a row for each measure that topology does not fix in all of them.

  Raises:
    UserError: fewer than two runs, or one without a certificate.
  """
  if len(workdirs) < 2:
    raise UserError("give the directories of two runs or more: --compare runs/a runs/b")
  certificates = [read_certificate(workdir) for workdir in workdirs]
  histories = [metrics.read_history(workdir / "metrics.jsonl") for workdir in workdirs]
  labels = _labels(workdirs)
  # What a run watches is what its history has an error of.
  watched = [
    name
    for name in certificates[0]["measures"]
    if any(f"{name}_stderr" in row for row in histories[0])
  ]
  merit = watched[0] if watched else "sigma"
  if not all(merit in certificate["measures"] for certificate in certificates):
    raise UserError(f"not all of these runs are measured by {merit}")
  curves = []
  for label, history, certificate in zip(labels, histories, certificates):
    pairs = [(row["seconds"], row[merit]) for row in history if row.get(merit)]
    entry = certificate["measures"][merit]
    end = certificate["run"]["seconds"], entry["value"], entry["stderr"] or 0.0
    curves.append((label, pairs, end))
  picture.write_bytes(pictures.png(pictures.comparison(curves, pictures.LIGHT)))
  return _table(labels, certificates, merit)


def _labels(workdirs):
  """The directories' names, as many of their parents as tell them apart."""
  for depth in range(1, max(len(path.parts) for path in workdirs) + 1):
    labels = ["/".join(path.parts[-depth:]) for path in workdirs]
    if len(set(labels)) == len(labels):
      return labels
  raise UserError("--compare names one run twice")


def _table(labels, certificates, merit):
  names = dict.fromkeys([merit, *(name for c in certificates for name in c["measures"])])
  exact = lambda name: all(c["measures"].get(name, {}).get("exact") for c in certificates)
  names = [name for name in names if not exact(name)]
  rows = [(*_COLUMNS, *names)]
  for label, c in zip(labels, certificates):
    manifold, run = c.get("manifold"), c["run"]
    rows.append(
      (
        label,
        configuration_text(manifold["ambient"], manifold["degrees"]) if manifold else "",
        # Certificates of old have no network of their own.
        run.get("network") or run["config"]["network"],
        f"{run['parameters']:,}" if "parameters" in run else "",
        f"{run['seconds']:.0f}",
        {True: "PASS", False: "FAIL", None: "none"}[c.get("verdict", {}).get("passed")],
        *(
          format_measure(entry["value"], entry["stderr"]) if entry else ""
          for entry in map(c["measures"].get, names)
        ),
      )
    )
  columns = list(zip(*rows))
  widths = [max(map(len, row)) for row in rows]
  return "\n".join(
    "  ".join(cell.ljust(width) for cell, width in zip(column, widths)).rstrip()
    for column in columns
  )
