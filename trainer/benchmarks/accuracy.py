"""What accuracy a time budget buys.

Shipped configs trained from nothing, several seeds, the worst one counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import pathlib
from typing import Any

from trainer.benchmarks import runs
from trainer.certificate import pictures
from trainer.certificate.certificate import read_certificate
from trainer.run import metrics

MANIFOLDS = (
  "fermat_quintic",
  "dwork_quintic",
  "random_quintic",
  "cubic_pair",
  "bicubic",
  "tetraquadric",
)
_MEASURES = ("sigma", "E", "max_abs_eta_minus_1")


def run(
  manifolds: Sequence[str], seeds: Sequence[int], budget_seconds: float, directory: pathlib.Path
) -> Iterator[dict[str, Any]]:
  """Trains every manifold with every seed, one after the other, each in a process of its own.

  Args:
    manifolds: names of shipped configs.
    seeds: seeds.
    budget_seconds: of training, sampling and compilation included; the certificate comes on top.
    directory: where the runs go, one directory each, with points of their own.

  Yields:
    Rows with manifold, network, seed, seconds (of training), seconds_in_all, parameters, sigma, E
    and max_abs_eta_minus_1 as {"value", "stderr"}, and curve, the pairs (seconds, sigma on
    validation points).

  Raises:
    UserError: a run failed, or its directory is not empty.
  """
  for name in manifolds:
    for seed in seeds:
      workdir = directory / f"{name}_{seed}"
      runs.check_new(workdir, "accuracy")
      seconds = runs.train(
        f"{name} with seed {seed}",
        workdir,
        f"--config=configs/{name}.py",
        f"--seed={seed}",
        f"--config.time_limit={budget_seconds}",
      )
      yield _row(name, seed, workdir) | {"seconds_in_all": seconds}


def _row(name: str, seed: int, workdir: pathlib.Path) -> dict[str, Any]:
  certificate = read_certificate(workdir)
  curve = [
    (row["seconds"], row["sigma"])
    for row in metrics.read_history(workdir / "metrics.jsonl")
    if "sigma" in row
  ]
  run = certificate["run"]
  return {
    "manifold": name,
    "network": run["network"],
    "seed": seed,
    "seconds": run["seconds"],
    "parameters": run["parameters"],
    **runs.measures(certificate, _MEASURES),
    "curve": curve,
  }


def leaderboard(rows: Sequence[dict[str, Any]]) -> str:
  """A table of the worse seed of every manifold."""
  lines = [f"{'manifold':<16} {'network':<34} {'unknowns':>9} {'seconds':>8}  sigma"]
  for name in dict.fromkeys(row["manifold"] for row in rows):
    worst = max((row for row in rows if row["manifold"] == name), key=lambda r: r["sigma"]["value"])
    sigma = worst["sigma"]
    lines.append(
      f"{name:<16} {worst['network'][:34]:<34} {worst['parameters']:>9,} {worst['seconds']:>8.0f}  "
      f"{sigma['value']:.3g} +- {sigma['stderr']:.1g}  (seed {worst['seed']})"
    )
  return "\n".join(lines)


def draw(rows: Sequence[dict[str, Any]], path: pathlib.Path) -> None:
  """Draws sigma against time, a curve a run."""
  curves = [(f"{row['manifold']}, seed {row['seed']}", row["curve"]) for row in rows]
  path.write_bytes(pictures.png(pictures.time_to_sigma(curves, pictures.LIGHT)))
