"""Faults of one of two processes in every stage of a run, after which the same command goes on.

Also a truncated checkpoint, a full disk and a workdir that is read only.

  python -m tests.launch.fault_matrix --times=20 [--cell=SIGKILL,1,training]

prints a line a cell: how often it passed, and the seconds until the surviving process ended.
"""

import collections
import pathlib
import re
import signal
import sys
import tempfile
import threading
import time

from absl import app, flags
import jax
import numpy as np

from tests import conftest  # noqa: F401, the environment of commands, and what they compile once
from tests.launch.commands import TINY, finish, signal_once, start_several, succeed, trained_state

_TIMES = flags.DEFINE_integer("times", 1, "How often each cell is tried.")
_CELL = flags.DEFINE_multi_string("cell", None, "One of them; default: all.")

SIGNALS = ("SIGTERM", "SIGKILL", "SIGSTOP")
# What process 0 says first in each stage.
STAGES = {
  "sampling": "compiling the sampler",
  "compiling": "compiling what is measured",
  "training": "adam 20/60",
  "certificate": "measuring on",
}
_FLAGS = TINY | {"heartbeat_timeout": 10, "without": "pictures"}
_TO_THE_END = _FLAGS | {"without": "certificate"}
# Seconds: the heartbeat's timeout, and what the runtime takes to notice and to tell.
_PATIENCE = 30


def strike(name: str, process: int, stage: str, workdir: pathlib.Path, data: pathlib.Path) -> float:
  """Sends a signal to one of two processes in a stage; asserts that both end as documented.

  Returns:
    Seconds until the process that did not get the signal ended.
  """
  pair = start_several(2, "train", data, workdir=workdir, **_FLAGS)
  said, reader = _said(pair[0], STAGES[stage])
  assert said.wait(300), "the stage was not reached"
  number = getattr(signal, name)
  began = time.monotonic()
  pair[process].send_signal(number)
  other = 1 - process
  try:
    outcomes = {other: _finish(pair[other], reader if other == 0 else None)}
    seconds = time.monotonic() - began
  finally:
    if number != signal.SIGTERM:
      pair[process].kill()
  outcomes[process] = _finish(pair[process], reader if process == 0 else None)
  expected = 3 if number == signal.SIGTERM else 4
  status, text = outcomes[other]
  assert status == expected, (status, text)
  assert seconds < _PATIENCE, seconds
  if number == signal.SIGTERM:
    assert outcomes[process][0] == 3, outcomes[process]
    assert "error: stopped by a termination signal" in text
  else:
    assert re.search(rf"error: process {process} was lost", text), text
  for _, printed in outcomes.values():
    assert "Traceback" not in printed and "@" not in printed, printed
  return seconds


def _said(process, phrase):
  """An event: the process has printed a line that begins so; and all that it prints, at its end."""
  said, lines = threading.Event(), []

  def read():
    for line in process.stderr:
      lines.append(line)
      if line.startswith(phrase):
        said.set()
    said.set()

  thread = threading.Thread(target=read, daemon=True)
  thread.start()
  return said, (thread, lines)


def _finish(process, reader):
  if reader is None:
    status, _, text = finish(process)
    return status, text
  status = process.wait(timeout=300)
  reader[0].join()
  return status, "".join(reader[1])


def _signalled(name, process, stage):
  """A cell: workdir, points -> seconds; the run then goes on."""
  return lambda *places: strike(name, process, stage, *places)


def truncated(workdir: pathlib.Path, data: pathlib.Path) -> float:
  """Kills a run and cuts off its latest checkpoint: it goes on from the one before, and says so."""
  pair = start_several(2, "train", data, workdir=workdir, **_FLAGS)
  signal_once(pair[1], workdir, "0/40", signal.SIGKILL)
  finish(pair[0])
  finish(pair[1])
  for path in (workdir / "checkpoints" / "0" / "40").rglob("*"):
    if path.is_file():
      path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  text, _ = [succeed(p) for p in start_several(2, "train", data, workdir=workdir, **_TO_THE_END)]
  assert "the checkpoint of step 40 is damaged: going on from that of step 20" in text, text
  return 0.0


def full(workdir: pathlib.Path, data: pathlib.Path) -> float:
  """The disk fills in the middle of the first checkpoints and of the last, when first tried."""
  flags = _FLAGS | {"without": "space", "workdir": workdir}
  text, _ = [succeed(process) for process in start_several(2, "train", data, **flags)]
  assert text.count("cannot save a checkpoint of step 60: the disk is full") == 2, text
  return 0.0


def read_only(workdir: pathlib.Path, data: pathlib.Path) -> float:
  """Nothing can be written to the workdir: one line from each process."""
  for process in start_several(2, "train", data, **_FLAGS, workdir=f"/proc/{workdir.name}"):
    status, _, text = finish(process)
    assert status == 1 and text.count("error: cannot write to the workdir") == 1, text
    assert "Traceback" not in text
  workdir.mkdir()
  return 0.0


CELLS = {
  f"{name},{process},{stage}": _signalled(name, process, stage)
  for stage in STAGES
  for name in SIGNALS
  for process in (0, 1)
} | {"truncated": truncated, "full": full, "read_only": read_only}


def main(argv):
  """Runs the matrix."""
  del argv
  root = pathlib.Path(tempfile.mkdtemp(prefix="faults-"))
  whole = root / "whole"
  for process in start_several(2, "train", root, workdir=whole, **_TO_THE_END):
    succeed(process)
  expected = trained_state(whole).params
  passed, worst, cells = collections.Counter(), collections.Counter(), _CELL.value or list(CELLS)
  for turn in range(_TIMES.value):
    for cell in cells:
      workdir = root / f"{cell}-{turn}"
      try:
        seconds = CELLS[cell](workdir, root)
        for again in start_several(2, "train", root, workdir=workdir, **_TO_THE_END):
          succeed(again)
        jax.tree.map(np.testing.assert_array_equal, trained_state(workdir).params, expected)
      except AssertionError as error:
        print(f"{cell}: {error}", flush=True)
        continue
      passed[cell] += 1
      worst[cell] = max(worst[cell], seconds)
      print(f"{cell}: {seconds:.1f} s", flush=True)
  for cell in cells:
    print(f"{cell}: {passed[cell]}/{_TIMES.value}, at most {worst[cell]:.1f} s")
  sys.exit(any(passed[cell] < _TIMES.value for cell in cells))


if __name__ == "__main__":
  app.run(main)
