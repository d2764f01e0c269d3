"""The process of a command: signals, what libraries print, lost processes, and its end.

Exit statuses: 0 done; 1 a mistake, told in one line; 2 a certificate says FAIL; 3 stopped by
SIGTERM (preemption) with everything saved; 4 another process of the run was lost. After 3 and 4 the
same command goes on.
"""

from collections.abc import Callable
import contextlib
import ctypes
import os
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from typing import NoReturn

from jax._src import distributed  # Its client, which has no public name.

from trainer.run.host import Host, PreemptedError

LOST = 4

_GOES_ON = "the same command goes on from the last checkpoint"
_INTERRUPTED = f"interrupted; {_GOES_ON}"
_PREEMPTED = f"stopped by a termination signal; {_GOES_ON}"
# Seconds that an interrupted process has to end by itself.
_PATIENCE = 3.0
# Seconds in which a loop finishes its step and starts to save; schedulers kill after 30.
_STEP_PATIENCE, _TICK = 15.0, 0.1
# Seconds that a process waits for the others to end as well: after a mistake, which may be its own
# only, and when it is done, while process 0 writes the report.
_MISTAKE_PATIENCE, _DONE_PATIENCE = 10.0, 3600.0
# Seconds that process 0, through which they all speak, stays longer than the others.
_LINGER = 1.0
# More than a heartbeat's timeout, until the runtime ends this process because another is silent.
_VERDICT_PATIENCE = 10.0
_NOTICE, _END = "ricciflat/preempted", "ricciflat/end"
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)


class Process:
  """This process, from its first line to its end."""

  def __init__(self, host: Host):
    self._host = host
    self._joined, self._heartbeat_timeout = False, 0.0
    self._told = threading.Event()
    self._status: int | None = None  # With which it is ending.
    self._runtime_handler: Callable[[int], None] | None = None
    self._abort_handler = _HANDLER(self._aborted)
    self._preempting = threading.Lock()

  def watch(self) -> None:
    """Ends this process soon after Ctrl-C or SIGTERM even where Python cannot, as in compilation.

    Python's own handlers run when its own code goes on, but signals are written to a pipe at once.
    Libraries write to a file from now on.
    """
    _divert_libraries(self._host)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)

    def listen():
      while (number := os.read(read_end, 1)[0]) != signal.SIGINT:
        if number == signal.SIGTERM:
          threading.Thread(target=self._preempt, daemon=True).start()
      time.sleep(_PATIENCE)
      if not self._told.is_set():
        tell(_INTERRUPTED)
      os._exit(1)

    threading.Thread(target=listen, daemon=True).start()

  def join(self, initialize: Callable[[], None], heartbeat_timeout: int) -> None:
    """Joins the other processes of the run; from now on this one ends well when they do not.

    Args:
      initialize: starts JAX's distributed runtime.
      heartbeat_timeout: seconds after which a silent process is lost, as `initialize` has it.
    """
    _set_handler(signal.SIGABRT, ctypes.cast(self._abort_handler, ctypes.c_void_p))
    initialize()
    self._joined, self._heartbeat_timeout = True, heartbeat_timeout
    # The runtime's handler tells the others; Python's writes to the pipe. Both are wanted.
    self._runtime_handler = _HANDLER(_set_handler(signal.SIGTERM, None) or 0)
    signal.signal(signal.SIGTERM, lambda *_: None)
    if _several():
      threading.Thread(target=self._hear_of_preemption, daemon=True).start()

  def interrupted(self) -> NoReturn:
    """Ends this process after Ctrl-C."""
    self._told.set()
    tell(_INTERRUPTED)
    sys.stdout.flush()
    os._exit(1)  # Other threads may be in the middle of anything.

  def fail(self, error: Exception | str, status: int = 1) -> NoReturn:
    """Ends this process with one line."""
    tell(error)
    self.leave(status, _MISTAKE_PATIENCE)

  def crash(self) -> NoReturn:
    """Ends this process after an exception that nobody expects, such as that of a lost process.

    If all others come to the same end, or none is lost, it is the program's mistake.
    """
    if _several():
      _wait_for_others(self._heartbeat_timeout + _VERDICT_PATIENCE)
      time.sleep(_LINGER)
      if self._host.preempted.is_set():
        self.fail(_PREEMPTED, PreemptedError.status)
    traceback.print_exc()
    self.leave(1, 0.0)

  def leave(self, status: int, patience: float = _DONE_PATIENCE) -> NoReturn:
    """Ends this process together with the others, or after `patience` seconds."""
    self._status = status
    sys.stdout.flush()
    sys.stderr.flush()
    if not _several():
      sys.exit(status)
    _wait_for_others(patience)
    os._exit(status)

  def _preempt(self) -> None:
    """What SIGTERM to this process leads to."""
    if self._runtime_handler is not None:
      python = _set_handler(signal.SIGTERM, None)
      self._runtime_handler(signal.SIGTERM)
      _set_handler(signal.SIGTERM, python)  # It had given the signal back to the system.
    if _several():
      with contextlib.suppress(Exception):
        _client().key_value_set(_NOTICE, "", allow_overwrite=True)
    self._end_preempted()

  def _hear_of_preemption(self) -> None:
    while self._status is None:
      try:
        _client().blocking_key_value_get(_NOTICE, 3_600_000)
      except Exception as error:
        if "DEADLINE" in str(error):
          continue
        return
      self._end_preempted()
      return

  def _end_preempted(self) -> None:
    """Has a loop save, and ends this process itself where none is at work."""
    if not self._preempting.acquire(blocking=False):
      return
    self._host.preempted.set()
    deadline = time.monotonic() + _STEP_PATIENCE
    while self._host.stepping and time.monotonic() < deadline:
      if self._host.saving.wait(_TICK):
        break
    if self._host.saving.is_set() or self._status is not None:
      return  # The loop's end is this process' end.
    tell(_PREEMPTED)
    self._status = PreemptedError.status
    if _several():
      _wait_for_others(_MISTAKE_PATIENCE)
    os._exit(self._status)

  def _aborted(self, number: int) -> None:
    """Called instead of a crash dump where a library gives up, in whichever thread."""
    text = self._host.log_text()
    if self._status is not None:
      os._exit(self._status)
    if self._host.preempted.is_set():
      tell(_PREEMPTED)
      os._exit(PreemptedError.status)
    if not self._joined and "detected fatal errors" in text:
      tell(
        "not all processes came within --initialization_timeout: start all of them, each with the "
        "same coordinator, which they must be able to reach"
      )
      os._exit(LOST)
    if _several() and (lost := _lost(text, distributed.global_state.process_id)):
      tell(f"{lost}; {_GOES_ON}")
      os._exit(LOST)
    print("\n".join(text.splitlines()[-30:]), file=sys.stderr, flush=True)
    _set_handler(signal.SIGABRT, None)
    # Returning, abort() goes on.


def tell(error: Exception | str) -> None:
  """Prints an error as one line."""
  # The terminal shows ^C where the cursor is.
  start = "\n" if error is _INTERRUPTED and sys.stderr.isatty() else ""
  print(f"{start}error:", " ".join(str(error).split()), file=sys.stderr, flush=True)


def _lost(text: str, own: int) -> str | None:
  """Which process the end of a log says is lost, if it does, to the process with number `own`."""
  _, fatal, reason = text.rpartition("detected fatal errors")
  if not fatal:
    return None
  listed = re.search(r"stopped sending heartbeats\):(.*?)\bThe tasks", reason, re.DOTALL)
  if not listed:
    return "process 0 was lost: it does not answer"
  lost = re.findall(r"task:(\d+)", listed[1]) or re.findall(r"\d+", listed[1])
  others = [number for number in lost if int(number) != own]
  if not others:
    return "this process was given up by the others: its signs of life came too late"
  return f"process {', '.join(others)} was lost: no sign of life"


def _client():
  return distributed.global_state.client


def _several() -> bool:
  return distributed.global_state.num_processes > 1 and _client() is not None


def _wait_for_others(seconds: float) -> None:
  """Until all processes are about to end."""
  with contextlib.suppress(Exception):
    _client().wait_at_barrier(_END, int(1000 * seconds))
  if distributed.global_state.process_id == 0:
    time.sleep(_LINGER)


def _set_handler(number: int, handler: int | None) -> int | None:
  """Sets a signal's handler below Python; returns the one before. None is the system's."""
  libc = ctypes.CDLL(None)
  libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
  return libc.signal(number, handler)


def _divert_libraries(host: Host) -> None:
  """Keeps standard output and error for Python alone."""
  for name in ("stdout", "stderr"):
    stream = getattr(sys, name)
    stream.flush()
    # As it was, at another descriptor.
    kept = open(
      os.dup(stream.fileno()),
      "w",
      encoding=stream.encoding,
      errors=stream.errors,
      buffering=1 if stream.line_buffering else -1,
    )
    setattr(sys, name, kept)
  with tempfile.TemporaryFile() as file:
    host.divert(os.dup(file.fileno()))
