"""Metrics of a run as event files, which TensorBoard draws."""

import contextlib
import pathlib
import time
from typing import Any

from trainer.errors import UserError


class EventWriter:
  """Writes the numbers of rows, as scalars by their names, to event files in a directory.

  TensorBoard reads all files there one after the other. A new one says from which step on those
  before it no longer count: where a run resumes, or after the disk did not take a row.
  """

  def __init__(self, directory: pathlib.Path):
    """Raises UserError without the package that knows the format."""
    try:
      from tensorboardX.proto import event_pb2, summary_pb2
      from tensorboardX.record_writer import RecordWriter
    except ImportError:
      raise UserError(
        "--tensorboard needs the package tensorboardX: pip install -e '.[tensorboard]'"
      ) from None
    self._directory, self._file = directory, None
    self._events, self._summaries, self._records = event_pb2, summary_pb2, RecordWriter

  def resume(self, step: int) -> None:
    """From now on the rows of later steps are written again."""
    with contextlib.suppress(OSError):
      self._open(step + 1)

  def write(self, row: dict[str, Any]) -> None:
    """Writes a row, on disk when this returns; one that the disk does not take is left out."""
    values = [
      self._summaries.Summary.Value(tag=name, simple_value=float(value))
      for name, value in row.items()
      if name != "step" and isinstance(value, int | float)
    ]
    try:
      if self._file is None:
        self._open(row["step"])
      self._add(step=row["step"], summary=self._summaries.Summary(value=values))
    except OSError:
      self._file = None

  def _open(self, step: int) -> None:
    if self._file is not None:
      self._file.close()
    self._file = None
    self._directory.mkdir(parents=True, exist_ok=True)
    # In the order of their names.
    path = self._directory / f"events.out.tfevents.{time.time():.6f}"
    self._file = self._records(str(path))
    self._add(file_version="brain.Event:2")
    started = self._events.SessionLog(status=self._events.SessionLog.START)
    self._add(step=step, session_log=started)

  def _add(self, **event: Any) -> None:
    self._file.write(self._events.Event(wall_time=time.time(), **event).SerializeToString())
    self._file.flush()
