"""What several processes' ends amount to, and what the runtime says of a lost one."""

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
