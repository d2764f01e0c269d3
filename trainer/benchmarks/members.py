"""What a time buys on manifolds that nothing was tuned for: random members, network "auto"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import json
import pathlib
from typing import Any

from trainer.benchmarks import runs
from trainer.certificate.certificate import read_certificate
from trainer.errors import UserError
from trainer.run import checkpoint

# Ambient spaces, degrees and how many random members, with variety seeds from 0.
FAMILIES = {
  "quintic": ("(4,)", "((5,),)", 8),
  "P5[3 3]": ("(5,)", "((3, 3),)", 2),
  "P5[2 4]": ("(5,)", "((2, 4),)", 2),
  "bicubic": ("(2, 2)", "((3,), (3,))", 2),
  "tetraquadric": ("(1, 1, 1, 1)", "((2,), (2,), (2,), (2,))", 2),
  "P1xP3": ("(1, 3)", "((2,), (4,))", 2),
  "P3xP2": ("(3, 2)", "((3, 1), (0, 3))", 2),
  "(P2)^3": ("(2, 2, 2)", "((1, 1, 1), (1, 1, 1), (1, 1, 1))", 2),
  "P7[2 2 2 2]": ("(7,)", "((2, 2, 2, 2),)", 2),
}
_CONFIG = """from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety({ambient}, {degrees}, seed={seed})
  config.budget_seconds = {budget}
  return config
"""
_MEASURES = ("sigma", "E", "max_abs_eta_minus_1", "min_relative_eigenvalue")


def run(
  families: Sequence[str], budget_seconds: float, directory: pathlib.Path
) -> Iterator[dict[str, Any]]:
  """Trains the members of families one after the other, each in a process of its own.

  Members that an earlier call finished in `directory` are not trained again.

  Args:
    families: some of FAMILIES.
    budget_seconds: config.budget_seconds.
    directory: where runs go, with points of their own.

  Yields:
    Rows with manifold, seed, choice, predicted and seconds (of the whole command), budget_seconds,
    verdict and the measures sigma, E, max_abs_eta_minus_1 and min_relative_eigenvalue as
    {"value", "stderr"}.

  Raises:
    UserError: a run failed, or one that did not end or had another budget is there.
  """
  for name in families:
    for seed in range(FAMILIES[name][2]):
      workdir = directory / f"{name}_{seed}"
      finished = workdir / "row.json"
      if not finished.exists():
        runs.check_new(workdir, "manifolds")
        row = _train(name, seed, budget_seconds, workdir)
        checkpoint.write_json(finished, row | {"budget_seconds": budget_seconds})
      row = json.loads(finished.read_text())
      if row["budget_seconds"] != budget_seconds:
        before = f"--budget_seconds={row['budget_seconds']:g}"
        raise UserError(f"{workdir} is a run of {before}: name another --directory")
      yield row


def _train(name, seed, budget_seconds, workdir):
  ambient, degrees, _ = FAMILIES[name]
  workdir.mkdir(parents=True)
  config = workdir / "config.py"
  config.write_text(
    _CONFIG.format(ambient=ambient, degrees=degrees, seed=seed, budget=budget_seconds)
  )
  what = f"{name} with variety seed {seed}"
  seconds = runs.train(what, workdir, f"--config={config}", "--allow_fail")
  return _row(name, seed, workdir) | {"seconds": seconds}


def _row(name, seed, workdir):
  certificate = read_certificate(workdir)
  choice = json.loads((workdir / "run.json").read_text())["choice"]
  return {
    "manifold": name,
    "seed": seed,
    "choice": choice["fields"],
    "reason": choice["reason"],
    "predicted": choice["seconds"],
    "passed": certificate["verdict"]["passed"],
    **runs.measures(certificate, _MEASURES),
  }


def table(rows: Sequence[dict[str, Any]]) -> str:
  """One line a member."""
  lines = [
    f"{'manifold':<14} {'network':<26} {'predicted':>9} {'true':>5}  {'sigma':<20} {'E':>8} "
    f"{'max':>6} {'least':>6}  verdict"
  ]
  for row in rows:
    sigma = row["sigma"]
    text = f"{sigma['value']:.4g} +- {sigma['stderr']:.1g}"
    lines.append(
      f"{row['manifold'] + ', ' + str(row['seed']):<14} {row['choice']['network'][:26]:<26} "
      f"{row['predicted']:>8.0f}s {row['seconds']:>4.0f}s  {text:<20} {row['E']['value']:>8.1e} "
      f"{row['max_abs_eta_minus_1']['value']:>6.2f} "
      f"{row['min_relative_eigenvalue']['value']:>6.2f}  {'PASS' if row['passed'] else 'FAIL'}"
    )
  return "\n".join(lines)
