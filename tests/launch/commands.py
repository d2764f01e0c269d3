"""Runs the project's commands as a user does, each in its own process."""

import atexit
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]

# Commands that repeat one another need not compile the same programs again.
_COMPILED = tempfile.mkdtemp(prefix="ricciflat-tests-")
atexit.register(shutil.rmtree, _COMPILED, ignore_errors=True)

# A budget that takes seconds; every number of it can be overridden.
TINY = {
    "config": "configs/fermat_cubic.py", "config.data.train_points": 1003,
    "config.data.heldout_points": 500, "config.batch_size": 64, "config.steps": 60,
    "config.log_every": 5, "config.evaluate_every": 20, "config.checkpoint_every": 20,
    "config.network": "phi_mlp(widths=(8,8))", "config.optimizer.warmup_steps": 5,
    "config.optimizer.learning_rate": 0.01}


def start(module: str, devices: int = 1, cwd: pathlib.Path = ROOT, **flags) -> subprocess.Popen:
  """Starts `python -m launch.MODULE --name=value ...` on fake CPU devices."""
  environment = dict(
      os.environ, JAX_PLATFORMS="cpu", PYTHONPATH=str(ROOT), JAX_COMPILATION_CACHE_DIR=_COMPILED,
      JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0.2",
      XLA_FLAGS=f"--xla_force_host_platform_device_count={devices}")
  command = [sys.executable, "-m", f"launch.{module}"]
  return subprocess.Popen(
      command + [f"--{name}={value}" for name, value in flags.items()], cwd=cwd, env=environment,
      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
  """Waits for a command; returns its exit status, stdout and stderr."""
  try:
    stdout, stderr = process.communicate(timeout=120)
  except subprocess.TimeoutExpired:
    process.kill()
    raise
  return process.returncode, stdout, stderr


def succeed(process: subprocess.Popen) -> str:
  """Waits for a command that must succeed; returns what it printed."""
  status, stdout, stderr = finish(process)
  assert status == 0, stderr
  return stdout + stderr


def history(workdir: pathlib.Path) -> list[dict]:
  """The rows of a run's metrics.jsonl."""
  return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def losses(workdir: pathlib.Path) -> list[float]:
  """The losses a run logged, in the order of their steps."""
  return [row["loss"] for row in history(workdir) if "loss" in row]
