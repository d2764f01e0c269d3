"""Runs of the main command that a benchmark starts and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import pathlib
import subprocess
import sys
import time
from typing import Any

from trainer.errors import UserError


def train(what: str, workdir: pathlib.Path, *flags: str) -> float:
  """Trains in a process of its own, with points of its own in `workdir`.

  Args:
    what: is trained, in a message.
    workdir: the run's directory.
    flags: others of launch.train.

  Returns:
    The seconds it took, all included.

  Raises:
    UserError: it failed.
  """
  began = time.monotonic()
  command = [sys.executable, "-m", "launch.train", f"--workdir={workdir}"]
  result = subprocess.run(
    [*command, f"--data_dir={workdir / 'points'}", *flags],
    capture_output=True,
    text=True,
    check=False,
  )
  if result.returncode:
    raise UserError(f"training {what} failed: {result.stderr.splitlines()[-1]}")
  return time.monotonic() - began


def check_new(workdir: pathlib.Path, suite: str) -> None:
  """UserError if there is such a directory already."""
  if workdir.exists():
    raise UserError(f"{workdir} exists: runs of the {suite} suite start from nothing")


def measures(certificate: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, float]]:
  """Some of a certificate's measures as {"value", "stderr"}."""
  found = certificate["measures"]
  return {name: {part: found[name][part] for part in ("value", "stderr")} for name in names}
