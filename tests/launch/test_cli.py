"""What ends a command: Ctrl-C, wherever it comes, errors in a user's files, a full disk."""

import functools
import os
import signal
import subprocess
import sys

import pytest

from tests.launch.commands import ROOT

_COMMAND = """
import sys
from launch import cli

def main():
  {wait}

sys.argv = ["command"]
cli.run(main)
"""
_SAVE = """
import pathlib, resource

def save(workdir):
  resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
  (pathlib.Path(workdir) / "points").write_bytes(bytes(10_000))
"""
_WAITS = {
  "in Python": "import time; print('ready', flush=True); time.sleep(500)",
  # Minutes without a bytecode, the lock released, as in a compiler.
  "in a library": "import numpy as np; a = np.random.default_rng(0).normal(size=(6000, 6000)); "
  "print('ready', flush=True); np.linalg.svd(a)",
  # Interpreters that end while other threads compile may crash.
  "in the compiler": "import jax, threading; "
  "from trainer.geometry.members import random_variety; "
  "from trainer.sampling.sampler import Sampler; "
  "sampler = Sampler(random_variety((4,), ((5,),), (1.0,), 0)); "
  "block = lambda: sampler.block(jax.random.key(0), 0); "
  "threading.Timer(1, lambda: print('ready', flush=True)).start(); block()",
}


@pytest.mark.parametrize("wait", _WAITS)
def test_an_interrupted_command_says_so_and_ends(wait):
  process = subprocess.Popen(
    [sys.executable, "-c", _COMMAND.format(wait=_WAITS[wait])],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    # A program that another test compiled would be there at once.
    env=os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"},
    # Whatever runs the tests in the background may ignore it, and children inherit that.
    preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
  )
  try:
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
  finally:
    process.kill()
  assert process.returncode == 1
  assert stderr == "error: interrupted; the same command goes on from the last checkpoint\n"


def test_an_exception_from_a_users_file_is_one_line(tmp_path):
  """Wherever it comes from, such as a network that fails when a step is compiled."""
  (tmp_path / "mine.py").write_text("def f():\n  return {}['width']\n")
  wait = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mine; mine.f()"
  process = subprocess.run(
    [sys.executable, "-c", _COMMAND.format(wait=wait)], cwd=ROOT, capture_output=True, text=True
  )
  assert process.returncode == 1
  assert process.stderr == f"error: {tmp_path}/mine.py, line 2: KeyError: 'width'\n"


def test_a_file_for_which_there_is_no_space_is_one_line(tmp_path):
  (tmp_path / "save.py").write_text(_SAVE)
  path = str(tmp_path)
  wait = f"import sys; sys.path.insert(0, {path!r}); import save; save.save({path!r})"
  process = subprocess.run(
    [sys.executable, "-c", _COMMAND.format(wait=wait)], cwd=ROOT, capture_output=True, text=True
  )
  assert process.returncode == 1
  assert process.stderr == (
    "error: the disk is full: free some space; the same command goes on from the last checkpoint\n"
  )
