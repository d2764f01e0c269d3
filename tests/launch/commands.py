"""Runs the project's commands as a user does, each in its own process."""

from collections.abc import Mapping, Sequence
import contextlib
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import time

import numpy as np

from trainer.loop.state import load_state
from trainer.optimizers.state import TrainState
from trainer.run import run as runs

ROOT = pathlib.Path(__file__).parents[2]
# Exit status, stdout, stderr.
Outcome = tuple[int, str, str]
# One for each job, by its number.
_SLURM_PORTS = range(65535 - 2**12 + 1, 65536)

# A budget that takes seconds; every number of it can be overridden.
TINY = {
  "config": "configs/fermat_cubic.py",
  "config.data.train_points": 1003,
  "config.data.heldout_points": 500,
  "config.batch_size": 64,
  "config.steps": 60,
  "config.gauss_newton.steps": 0,
  "config.log_every": 5,
  "config.evaluate_every": 20,
  "config.checkpoint_every": 20,
  "config.network": "phi_mlp(widths=(8,8), activation='gelu')",
  "config.optimizer.warmup_steps": 5,
  "config.optimizer.learning_rate": 0.01,
}


def start(module: str, devices: int = 1, without: str = "", **flags) -> subprocess.Popen:
  """Starts `python -m launch.MODULE --name=value ...` on fake CPU devices.

  Most of so small a run is its certificate, and half of that its pictures. What is `without` one of
  these, see without.py, tests something else.
  """
  return _popen([*_command(module, without), *arguments(**flags)], devices)


def start_cluster(
  processes: int, module: str, max_restarts: int = 0, without: str = "", **flags
) -> subprocess.Popen:
  """The same in processes of two devices, started by launch.local_cluster."""
  launcher = dict(processes=processes, devices=2, max_restarts=max_restarts)
  command = [*_command(module, without), *arguments(**flags)]
  own = [sys.executable, "-m", "launch.local_cluster", *arguments(**launcher)]
  return _popen([*own, "--", *command], devices=1)


def process_of(workdir: pathlib.Path, index: int) -> int:
  """The id of a process that `start_cluster` started for a run in `workdir`."""
  wanted = {f"--workdir={workdir}".encode(), f"--process_id={index}".encode()}
  for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    with contextlib.suppress(OSError):
      if wanted <= set(path.read_bytes().split(b"\0")):
        return int(path.parent.name)
  raise AssertionError("there is no such process")


def _command(module, without):
  prefix = ["-m", "tests.launch.without", without] if without else ["-m"]
  return [sys.executable, *prefix, f"launch.{module}"]


def _popen(command, devices, **variables):
  return subprocess.Popen(
    command,
    cwd=ROOT,
    env=_environment(devices) | variables,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def arguments(**flags) -> list[str]:
  """--name=value of each flag."""
  return [f"--{name}={value}" for name, value in flags.items()]


def outcomes(commands: Mapping[str, Sequence[str]], cwd: pathlib.Path = ROOT) -> dict[str, Outcome]:
  """Runs short commands, each [MODULE, argument, ..], in processes that share their imports.

  Returns:
    The exit status, stdout and stderr of each, which has two devices.
  """
  process = subprocess.run(
    [sys.executable, "-m", "tests.launch.forks"],
    cwd=cwd,
    env=_environment(devices=2),
    input=json.dumps(commands),
    capture_output=True,
    text=True,
    timeout=600,
  )
  assert process.returncode == 0, process.stderr
  return {name: tuple(outcome) for name, outcome in json.loads(process.stdout).items()}


def _environment(devices):
  return dict(
    os.environ,
    JAX_PLATFORMS="cpu",
    PYTHONPATH=str(ROOT),
    # Otherwise as in conftest.py.
    XLA_FLAGS=os.environ["XLA_FLAGS"].replace("device_count=4", f"device_count={devices}"),
  )


def start_several(
  count: int, module: str, data_dir: pathlib.Path, without: str = "", **flags
) -> list[subprocess.Popen]:
  """Starts `count` processes of two fake devices, each with its own points, as Slurm does."""
  variables = {
    "SLURM_JOB_ID": str(_free_port() - _SLURM_PORTS.start),
    "SLURM_STEP_NODELIST": "localhost",
    "SLURM_NTASKS": str(count),
  }
  return [
    _popen(
      [*_command(module, without), *arguments(**flags, data_dir=data_dir / f"points{i}")],
      devices=2,
      **variables,
      SLURM_PROCID=str(i),
      SLURM_LOCALID=str(i),
    )
    for i in range(count)
  ]


def _free_port():
  """A port at which JAX may expect process 0 of a job of Slurm."""
  for port in random.sample(_SLURM_PORTS, len(_SLURM_PORTS)):
    with socket.socket() as probe, contextlib.suppress(OSError):
      probe.bind(("", port))
      return port
  raise AssertionError("no port is free")


def signal_once(
  process: subprocess.Popen, workdir: pathlib.Path, checkpoint: str, what: int
) -> None:
  """Signals a training process as soon as it has a checkpoint, a pattern in `checkpoints`."""
  while not list(workdir.glob(f"checkpoints/{checkpoint}")):
    assert process.poll() is None, process.stderr.read()
    time.sleep(0.005)
  process.send_signal(what)


def trained_state(workdir: pathlib.Path) -> TrainState:
  """The state in the last checkpoint of a run."""
  return load_state(runs.load_run(workdir), workdir)


def finish(process: subprocess.Popen) -> Outcome:
  """Waits for a command; returns its exit status, stdout and stderr."""
  try:
    stdout, stderr = process.communicate(timeout=600)
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


def compare_certificates(workdir: pathlib.Path, reference: pathlib.Path) -> None:
  """Asserts that two runs have the same certificate to 1e-9: every measure and its error."""
  there, here = (
    json.loads((path / "certificate.json").read_text())["measures"] for path in (reference, workdir)
  )
  assert there.keys() == here.keys()
  for name, measure in there.items():
    for part in ("value", "stderr"):
      # What is rounding alone, such as how far the metric is from Kaehler, is so in both.
      np.testing.assert_allclose(
        here[name][part], measure[part], rtol=1e-9, atol=1e-13, err_msg=f"{name} {part}"
      )
