"""Metrics of a run: one JSON line a row in metrics.jsonl, and progress on the terminal."""

import contextlib
import json
import math
import os
import pathlib
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from trainer.errors import UserError
from trainer.run.events import EventWriter

# Seconds between progress lines where there is no terminal to draw a bar on.
_SECONDS_BETWEEN_LINES = 10.0


class MetricsWriter:
  """Appends rows to a file of JSON lines; does nothing where `enabled` is false.

  Rows that the disk does not take are kept, and written with those that follow.
  """

  def __init__(self, path: pathlib.Path, enabled: bool, events: EventWriter | None = None):
    """Args: the file; whether to write; where the same goes for TensorBoard."""
    self._path = path
    self._enabled = enabled
    self._events = events if enabled else None
    self._kept = ""

  def resume(self, step: int) -> float:
    """Drops, atomically, the rows a run that resumes after `step` will write again.

    Those are the rows of later steps and a last line that was cut off. A run that starts from
    nothing (step 0) starts its history anew.

    Returns:
      Seconds of training before this resumption, from the last row kept.
    """
    if not self._enabled:
      return 0.0
    rows = [row for row in read_history(self._path) if row["step"] <= step] if step else []
    temporary = self._path.with_name(self._path.name + ".tmp")
    temporary.write_text("".join(map(_line, rows)))
    os.replace(temporary, self._path)
    if self._events:
      self._events.resume(rows[-1]["step"] if rows else -1)
    return rows[-1]["seconds"] if rows else 0.0

  def write(self, row: dict[str, Any]) -> None:
    """Appends a row, on disk when this returns; numbers that are not finite become null."""
    if not self._enabled:
      return
    if self._events:
      self._events.write(row)
    self._kept += _line(row)
    size = self._path.stat().st_size if self._path.exists() else 0
    try:
      with self._path.open("a") as file:
        file.write(self._kept)
    except OSError:
      with contextlib.suppress(OSError):
        os.truncate(self._path, size)
    else:
      self._kept = ""


def read_history(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads all rows of a metrics file, none if there is no file; a last line cut off is left out.

  Raises:
    UserError: another line is not one of ours.
  """
  if not path.exists():
    return []
  *lines, _ = path.read_text().split("\n")
  rows = []
  for number, line in enumerate(lines, start=1):
    try:
      row = json.loads(line)
      row["step"], row["seconds"]
    except (ValueError, KeyError, TypeError):
      raise UserError(
        f"{path} is damaged at line {number}: delete that line and run again"
      ) from None
    rows.append(row)
  return rows


def _line(row: dict[str, Any]) -> str:
  finite = {
    key: None if isinstance(value, float) and not math.isfinite(value) else value
    for key, value in row.items()
  }
  return json.dumps(finite, allow_nan=False) + "\n"


class Progress:
  """Progress on stderr: a bar on a terminal, a line now and then in a log, nothing elsewhere."""

  def __init__(self, enabled: bool, stream: TextIO | None = None):
    """Args: whether this process shows any; where to (default: stderr)."""
    self._name, self._total_steps, self._merit = "training", 0, ""
    self._enabled = enabled
    self._stream = sys.stderr if stream is None else stream
    self._stage: _Bar | _Lines | None = None
    self._stage_key = None
    self._measured = ""

  def note(self, text: str) -> None:
    """Shows a line of text."""
    if self._enabled:
      tqdm.write(text, file=self._stream)
      self._stream.flush()

  def stage(self, text: str) -> None:
    """Says what begins now, of which there is no progress to show, such as compilation."""
    self.close()
    self.note(text)

  def sampling(self, done: int, total: int) -> None:
    """Shows that `done` of `total` points are sampled."""
    self._show("sampling", done, total)
    if done >= total:
      self.close()

  def start(self, name: str, total_steps: int, merit: str) -> None:
    """Names the steps that `update` shows from now on, up to `total_steps`, and their measure."""
    self._name, self._total_steps, self._merit = name, total_steps, merit

  def update(self, step: int, row: dict[str, Any]) -> None:
    """Shows a row of metrics: loss, points a second, and the measure since it was last taken."""
    parts = []
    if row.get("loss") is not None:
      parts.append(f"loss {row['loss']:.3g}")
    if row.get(self._merit) is not None:
      self._measured = f"{self._merit} {row[self._merit]:.4g}"
    if self._measured:
      parts.append(self._measured)
    if row.get("points_per_second"):
      parts.append(f"{_short(row['points_per_second'])} points/s")
    important, seconds = self._merit in row, row.get("seconds")
    self._show(self._name, step, self._total_steps, ", ".join(parts), important, seconds)

  def close(self) -> None:
    """Ends the bar, so that other output starts on a line of its own."""
    if self._stage is not None:
      self._stage.close()
      self._stage = self._stage_key = None

  def _show(
    self,
    name: str,
    done: int,
    total: int,
    text: str = "",
    important: bool = False,
    seconds: float | None = None,
  ) -> None:
    if not self._enabled:
      return
    if (name, total) != self._stage_key:
      self.close()
      stage = _Bar if self._stream.isatty() else _Lines
      self._stage, self._stage_key = stage(name, done, total, self._stream), (name, total)
    self._stage.show(done, text, important, seconds)


class _Bar:
  """A tqdm bar: time left by the pace of this process, time elapsed of the whole run."""

  def __init__(self, name: str, done: int, total: int, stream: TextIO):
    self._bar = tqdm(
      desc=name,
      initial=done,
      total=total,
      file=stream,
      dynamic_ncols=True,
      mininterval=0.0,
      bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
      "[{elapsed}<{remaining}{postfix}]",
    )

  def show(self, done: int, text: str, important: bool, seconds: float | None) -> None:
    del important
    if seconds is not None:
      self._bar.start_t = time.time() - seconds
    self._bar.set_postfix_str(text, refresh=False)
    self._bar.update(done - self._bar.n)
    self._bar.refresh()

  def close(self) -> None:
    self._bar.close()


class _Lines:
  """Plain lines, at intervals; what is important, and the end, always."""

  def __init__(self, name: str, done: int, total: int, stream: TextIO):
    self._name, self._first, self._total, self._stream = name, done, total, stream
    self._began = time.monotonic()
    self._last = -math.inf

  def show(self, done: int, text: str, important: bool, seconds: float | None) -> None:
    del seconds
    now = time.monotonic()
    if now - self._last < _SECONDS_BETWEEN_LINES and not important and done < self._total:
      return
    self._last = now
    line = f"{self._name} {done}/{self._total}"
    if self._first < done < self._total:
      left = (now - self._began) / (done - self._first) * (self._total - done)
      text = ", ".join(part for part in (text, f"{tqdm.format_interval(left)} left") if part)
    print(f"{line}: {text}" if text else line, file=self._stream, flush=True)

  def close(self) -> None:
    pass


def _short(number: float) -> str:
  """61234 -> "61.2k"."""
  return tqdm.format_sizeof(number) if number >= 1000 else f"{number:.0f}"
