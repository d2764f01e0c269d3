"""Times the trainer on this machine: a step, curvature, sampling, evaluation, several devices.

  python -m launch.benchmark --suite=quick --json=benchmark.json

The quick suite takes under 3 minutes, the full one adds sweeps over widths, batches and manifolds; the suite
`sampling` times the sampler alone, stage by stage. Everything but the fake devices is timed in one process, all of a
comparison in turns; `taskset -c 0` in front makes it a single core's.
"""

import importlib
import json
import os
import pathlib
import platform

from absl import flags
import jax

from launch import cli
from trainer.benchmarks import suite
from trainer.config import make_variety
from trainer.errors import UserError

_SUITE = flags.DEFINE_enum("suite", "quick", suite.SUITES, "What to time.")
_JSON = flags.DEFINE_string("json", None, "File that the numbers are written to as JSON.")
_SECONDS = flags.DEFINE_float("seconds", 4.0, "How long to measure each comparison.")


def main() -> None:
  path = cli.path_flag(_JSON.value) if _JSON.value else None
  if path and not _writable(path):
    raise UserError(f"--json={path} cannot be written: name a file in a directory of yours")
  if _SECONDS.value <= 0:
    raise UserError(f"--seconds={_SECONDS.value} must be positive")
  result = {"suite": _SUITE.value, "machine": _machine()}
  for name, section in suite.run(_SUITE.value, _varieties(), _SECONDS.value):
    result[name] = section
    print(suite.table(name, section), flush=True)
  if path:
    path.write_text(json.dumps(result, indent=2) + "\n")


def _varieties() -> dict:
  return {name: make_variety(importlib.import_module(f"configs.{name}").get_config())
          for name in suite.manifolds(_SUITE.value)}


def _machine() -> dict:
  return {
      "devices": str(jax.devices()[0].device_kind), "platform": jax.default_backend(),
      "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
      "jax": jax.__version__, "python": platform.python_version()}


def _writable(path: pathlib.Path) -> bool:
  return path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir()


def cli_main() -> None:
  cli.run(main)


if __name__ == "__main__":
  cli_main()
