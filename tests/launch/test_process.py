"""Processes that run in one view: what they print, what their ends amount to, who is lost."""

import signal
import sys
import threading
import time

import pytest

from launch import local_cluster, process

_FATAL = (
  "client.h:80] Terminating process because the JAX distributed service detected fatal errors"
)
_SILENT = (
  "The following tasks are unhealthy (stopped sending heartbeats):\n{}\nThe tasks have crashed."
)


@pytest.mark.parametrize(
  "tasks, lost",
  [("1", "process 1 was"), ("1\n12", "process 1, 12 was"), ("/job:jax/replica:0/task:3", "3 was")],
)
def test_the_lost_process_is_named(tasks, lost):
  assert lost in process._lost(f"1\n{_FATAL}. UNAVAILABLE: {_SILENT.format(tasks)} 7", own=0)


def test_a_coordinator_that_does_not_answer_is_process_0():
  assert "process 0 was lost" in process._lost(f"{_FATAL}. DEADLINE_EXCEEDED: task:5", own=1)
  assert process._lost("F1128 check failed: task:5", own=1) is None


def test_a_process_that_was_late_itself_blames_nobody():
  own = f"{_FATAL}. {_SILENT.format(3)}"
  assert "this process was given up" in process._lost(own, own=3)
  assert "process 1 was lost" in process._lost(
    f"{_FATAL}. {_SILENT.format('1' + chr(10) + '3')}", 3
  )


@pytest.mark.parametrize(
  "statuses, outcome",
  [((0, 0), 0), ((0, 1), 1), ((4, 1), 1), ((4, 2), 2), ((-9, 4), 4), ((3, 3), 3), ((0, -15), 4)],
)
def test_the_status_of_several_processes(statuses, outcome):
  assert local_cluster._outcome(statuses) == outcome


_CODE = """
import os, signal, sys, time
flags = dict(argument[2:].split("=") for argument in sys.argv[1:])
index = int(flags["process_id"])
print("devices", os.environ["XLA_FLAGS"].rpartition("=")[2], "of", flags["num_processes"])
print("to stderr", file=sys.stderr, flush=True)
{}
"""


def _run(code, cluster=None):
  command = [sys.executable, "-c", _CODE.format(code)]
  return (cluster or local_cluster._Cluster()).run(command, count=2, devices=3)


def test_what_processes_print_is_one_view(capfd):
  assert _run("") == 0
  out, err = capfd.readouterr()
  assert sorted(out.splitlines()) == ["[1] devices 3 of 2", "devices 3 of 2"]
  assert sorted(err.splitlines()) == ["[1] to stderr", "to stderr"]


def test_the_others_of_a_process_that_hangs_are_not_waited_for(monkeypatch):
  """Process 0 says that another is lost."""
  monkeypatch.setattr(local_cluster, "_LOST_PATIENCE", 0.2)
  began = time.monotonic()
  assert _run("time.sleep(500 * index); sys.exit(4)") == 4
  assert time.monotonic() - began < 60


def test_signals_reach_all_processes():
  cluster = local_cluster._Cluster()

  threading.Timer(1.0, cluster.forward, (signal.SIGTERM, None)).start()
  wait = "signal.signal(signal.SIGTERM, lambda *_: os._exit(3)); time.sleep(500)"
  # 4 where one has not come so far as to handle it.
  assert _run(wait, cluster) in (3, 4) and cluster.stopping
