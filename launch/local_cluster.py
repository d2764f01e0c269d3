"""Runs a command in several processes of fake CPU devices, as on several hosts, in one view.

  ricciflat-local-cluster --processes=2 --devices=2 -- \\
      ricciflat-train --config=fermat_cubic --workdir=runs/two

What to try before a pod is rented. Process 0 prints as it does alone; lines of others start with
their number. SIGTERM and Ctrl-C go to all. Exit status: 1 or 2 if a process' is, else 4 if one was
lost, else 3 if one was stopped by SIGTERM, else 0. After 3 and 4 all are started again, up to
--max_restarts times, and go on from the last checkpoint.
"""

from collections.abc import Sequence
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from absl import flags

from launch import help
from launch.process import LOST, tell
from trainer.run.host import PreemptedError

_PROCESSES = flags.DEFINE_integer("processes", 2, "Processes to start.", lower_bound=1)
_DEVICES = flags.DEFINE_integer("devices", 1, "Devices of each process.", lower_bound=1)
_MAX_RESTARTS = flags.DEFINE_integer(
  "max_restarts", 0, "How often all are started again after one was lost.", lower_bound=0
)

# Seconds that the others have to end after the first has failed, and after one has said that
# another is lost, which may hang for ever.
_PATIENCE, _LOST_PATIENCE = 90.0, 5.0
_TICK = 0.05
_FORWARDED = (signal.SIGINT, signal.SIGTERM)


class _Cluster:
  """The processes that run now, and the signals they were sent."""

  def __init__(self):
    self.processes: list[subprocess.Popen] = []
    self.stopping = False

  def forward(self, number: int, frame) -> None:
    """Handles a signal to this process."""
    del frame
    self.stopping = True
    for process in self.processes:
      if process.poll() is None:
        process.send_signal(number)

  def run(self, command: Sequence[str], count: int, devices: int) -> int:
    """Runs all processes to their end; returns what they amount to."""
    with socket.socket() as probe:
      probe.bind(("localhost", 0))
      address = f"localhost:{probe.getsockname()[1]}"
    self.processes = [_start(command, address, count, index, devices) for index in range(count)]
    readers = [
      threading.Thread(target=_show, args=(index, stream, shown))
      for index, process in enumerate(self.processes)
      for stream, shown in ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
      if stream
    ]
    for reader in readers:
      reader.start()
    self._wait()
    for reader in readers:
      reader.join()
    return _outcome([process.returncode for process in self.processes])

  def _wait(self) -> None:
    deadline = float("inf")
    while None in (statuses := [process.poll() for process in self.processes]):
      now = time.monotonic()
      if any(statuses):
        deadline = min(deadline, now + (_LOST_PATIENCE if LOST in statuses else _PATIENCE))
      if now > deadline:
        for process in self.processes:
          process.kill()
      time.sleep(_TICK)


def _start(command, address, count, index, devices):
  flag = f"--xla_force_host_platform_device_count={devices}"
  piped = subprocess.PIPE if index else None
  return subprocess.Popen(
    [
      *command,
      f"--coordinator_address={address}",
      f"--num_processes={count}",
      f"--process_id={index}",
    ],
    # The last of two equal flags counts.
    env=os.environ
    | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flag}"},
    stdin=subprocess.DEVNULL,
    stdout=piped,
    stderr=piped,
    text=True,
    start_new_session=True,  # Ctrl-C comes from us alone.
  )


def _show(index, stream, shown):
  """Copies lines, each behind the number of its process."""
  clear = "\r\x1b[K" if shown.isatty() else ""
  for line in stream:
    shown.write(f"{clear}[{index}] {line}")
    shown.flush()


def _outcome(statuses: Sequence[int]) -> int:
  """The exit status of several processes, negative ones being signals that ended them."""
  for status in (1, 2):
    if status in statuses:
      return status
  if LOST in statuses or min(statuses) < 0:
    return LOST
  return max(statuses)


def cli_main() -> None:
  """The command `ricciflat-local-cluster`."""
  ours, _, command = _split(sys.argv)
  if {"--help", "-h"} & set(ours):
    print(help.text(sys.modules[__name__]))
    sys.exit(0)
  try:
    extra = flags.FLAGS(ours)[1:]
  except flags.Error as error:
    tell(error)
    sys.exit(1)
  if extra or not command:
    tell("give the command to run after --: ricciflat-local-cluster --processes=2 -- COMMAND ..")
    sys.exit(1)
  if command[0] == "python":
    command[0] = sys.executable
  cluster = _Cluster()
  for number in _FORWARDED:
    signal.signal(number, cluster.forward)
  for left in range(_MAX_RESTARTS.value, -1, -1):
    status = cluster.run(command, _PROCESSES.value, _DEVICES.value)
    if cluster.stopping or not left or status not in (PreemptedError.status, LOST):
      break
    tell(f"stopped with status {status}: starting all processes again, {left - 1} restarts left")
  sys.exit(status)


def _split(argv):
  """What is before and after --."""
  end = argv.index("--") if "--" in argv else len(argv)
  return argv[:end], argv[end : end + 1], argv[end + 1 :]


if __name__ == "__main__":
  cli_main()
