"""What a run knows of the process it is in: is it to end soon, and where do libraries write."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import threading

from trainer.errors import UserError

# Standard output and error of what is not Python.
_NATIVE = (1, 2)


class PreemptedError(UserError):
  """The run was told to terminate (SIGTERM) and has saved where it was."""

  status = 3


class Host:
  """The process of a run; by default one that nobody tells to end.

  Attributes:
    preempted: set when this process, or another of the run, was told to terminate.
    stepping: whether a loop is at work, which saves and stops after a step once it is told.
    saving: set when it does so.
  """

  def __init__(self):
    self.preempted = threading.Event()
    self.stepping = False
    self.saving = threading.Event()
    self._log: int | None = None

  @contextlib.contextmanager
  def steps(self) -> Iterator[None]:
    """A loop is at work."""
    self.stepping = True
    try:
      yield
    finally:
      self.stepping = False

  def divert(self, log: int) -> None:
    """Has libraries write to an open file instead of standard output and error.

    Args:
      log: its descriptor, to read and write.
    """
    for number in _NATIVE:
      os.dup2(log, number)
    self._log = log

  def keep_log(self, path: pathlib.Path) -> None:
    """Has libraries append what they wrote, and will write, to a file; nothing if not diverted."""
    if self._log is None:
      return
    before = self.log_text()
    log = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(log, before.encode())
    self.divert(log)

  def log_text(self, size: int = 100_000) -> str:
    """The end of what libraries wrote."""
    if self._log is None:
      return ""
    start = max(os.fstat(self._log).st_size - size, 0)
    return os.pread(self._log, size, start).decode(errors="replace")
