"""Times the trainer on this machine: a step, curvature, sampling, evaluation, several devices.

  ricciflat-benchmark --suite=quick --json=benchmark.json

The quick suite takes under 3 minutes, the full one adds sweeps over widths, batches and manifolds;
the suite `sampling` times the sampler alone, stage by stage; `scaling` counts the work and the
communication of a step on 1 to 64 devices, predicts the efficiency of up to 4096, and times steps
on 1 to 8 devices in one process and in two. What is timed is timed in one process and in turns,
fake devices in processes of their own; `taskset -c 0` in front makes it a single core's. The suite
`accuracy` trains the configs of six manifolds from nothing:

  ricciflat-benchmark --suite=accuracy --budget_seconds=600 --seeds=0,1 --json=accuracy.json

and the suite `manifolds` random members of nine families, their networks chosen for the time:

  ricciflat-benchmark --suite=manifolds --budget_seconds=300 --json=manifolds.json
"""

import importlib
import json
import os
import pathlib
import platform

from absl import flags
import jax

from launch import cli, config_files
from trainer.benchmarks import accuracy, members, suite
from trainer.devices import machine
from trainer.errors import UserError
from trainer.geometry.description import make_variety

_SUITE = flags.DEFINE_enum(
  "suite", "quick", (*suite.SUITES, "accuracy", "manifolds"), "What to time."
)
_JSON = flags.DEFINE_string("json", None, "File that the numbers are written to as JSON.")
_SECONDS = flags.DEFINE_float("seconds", 4.0, "How long to measure each comparison.")
_MANIFOLDS = flags.DEFINE_list(
  "manifolds",
  [],
  "Of the suite accuracy: names of configs; of manifolds: families. All by default.",
)
_SEEDS = flags.DEFINE_list("seeds", ["0", "1"], "Of the suite accuracy.")
_BUDGET = flags.DEFINE_float(
  "budget_seconds", 600.0, "Of the suites accuracy and manifolds: time of a run, all included."
)
_DIRECTORY = flags.DEFINE_string(
  "directory", "runs/benchmark", "Of the suites accuracy and manifolds: where their runs go."
)


def main() -> None:
  """Times, counts or trains what --suite says."""
  path = cli.path_flag(_JSON.value) if _JSON.value else None
  if path and not _writable(path):
    raise UserError(f"--json={path} cannot be written: name a file in a directory of yours")
  if _SECONDS.value <= 0 or _BUDGET.value <= 0:
    raise UserError("--seconds and --budget_seconds must be positive")
  if _SUITE.value == "accuracy":
    _accuracy(path)
    return
  if _SUITE.value == "manifolds":
    _members(path)
    return
  result = {"suite": _SUITE.value, "machine": _machine()}
  for name, section in suite.run(_SUITE.value, _varieties(), _SECONDS.value):
    result[name] = section
    print(suite.table(name, section), flush=True)
  if path:
    path.write_text(json.dumps(result, indent=2) + "\n")


def _accuracy(path: pathlib.Path | None) -> None:
  names = _names(accuracy.MANIFOLDS, config_files.shipped(), "shipped config")
  if not all(seed.isdigit() for seed in _SEEDS.value):
    raise UserError(f"--seeds={','.join(_SEEDS.value)} must be whole numbers")
  directory = cli.path_flag(_DIRECTORY.value)
  directory.mkdir(parents=True, exist_ok=True)
  rows = []
  for row in accuracy.run(names, [int(seed) for seed in _SEEDS.value], _BUDGET.value, directory):
    rows.append(row)
    print(
      f"{row['manifold']}, seed {row['seed']}: sigma {row['sigma']['value']:.4g} +- "
      f"{row['sigma']['stderr']:.1g} after {row['seconds']:.0f} s",
      flush=True,
    )
    if path:
      path.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
  print(accuracy.leaderboard(rows))
  if path:  # Not before: asking for the devices takes an accelerator's memory from the runs.
    path.write_text(json.dumps({"machine": _machine(), "rows": rows}, indent=2) + "\n")
  accuracy.draw(rows, directory / "time_to_sigma.png")
  print(f"time-to-sigma curves: {directory / 'time_to_sigma.png'}")


def _members(path: pathlib.Path | None) -> None:
  names = _names(members.FAMILIES, members.FAMILIES, "family")
  directory = cli.path_flag(_DIRECTORY.value)
  rows = []
  for row in members.run(names, _BUDGET.value, directory):
    rows.append(row)
    print(members.table(rows[-1:]).splitlines()[-1], flush=True)
    if path:
      path.write_text(json.dumps({"rows": rows}, indent=2) + "\n")
  print(members.table(rows))
  if path:
    path.write_text(json.dumps({"machine": _machine(), "rows": rows}, indent=2) + "\n")


def _names(default, known, kind) -> list[str]:
  """What --manifolds asks for."""
  names = _MANIFOLDS.value or list(default)
  unknown = sorted(set(names) - set(known))
  if unknown:
    raise UserError(f"--manifolds: there is no {kind} {unknown[0]!r}")
  return names


def _varieties() -> dict:
  return {
    name: make_variety(importlib.import_module(f"configs.{name}").get_config())
    for name in suite.manifolds(_SUITE.value)
  }


def _machine() -> dict:
  return {
    "devices": str(jax.devices()[0].device_kind),
    "platform": jax.default_backend(),
    "cores": machine.num_cores(),
    "jax": jax.__version__,
    "python": platform.python_version(),
  }


def _writable(path: pathlib.Path) -> bool:
  return path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir()


def cli_main() -> None:
  """The command `ricciflat-benchmark`."""
  cli.run(main)


if __name__ == "__main__":
  cli_main()
