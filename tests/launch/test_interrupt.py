"""Ctrl-C ends a command, also where Python does not get to raise KeyboardInterrupt."""

import signal
import subprocess
import sys

import pytest

from tests.launch.commands import ROOT

_COMMAND = """
import sys
from launch import cli

def main():
  print("ready", flush=True)
  {wait}

sys.argv = ["command"]
cli.run(main)
"""
_WAITS = {
  "in Python": "import time; time.sleep(500)",
  # Minutes without a bytecode, the lock released, as in a compiler.
  "in a library": "import numpy as np; np.linalg.svd(np.random.normal(size=(9000, 9000)))",
}


@pytest.mark.parametrize("wait", _WAITS)
def test_an_interrupted_command_says_so_and_ends(wait):
  process = subprocess.Popen(
    [sys.executable, "-c", _COMMAND.format(wait=_WAITS[wait])],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == "ready\n"
  process.send_signal(signal.SIGINT)
  _, stderr = process.communicate(timeout=120)
  assert process.returncode == 1
  assert stderr == "error: interrupted; the same command goes on from the last checkpoint\n"
