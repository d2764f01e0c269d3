"""A trace of some steps, to look at with TensorBoard or Perfetto."""

import pathlib

import jax

from trainer.errors import UserError


class Profile:
  """Traces steps first <= step < last of a run into a directory, each process its own part."""

  def __init__(self, first: int, last: int):
    self._first, self._last = first, last
    self._running = False

  @classmethod
  def of_text(cls, text: str) -> "Profile":
    """The steps that "a:b" names."""
    first, _, last = text.partition(":")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
      raise UserError(f"--profile_steps={text} must be two numbers of steps, such as 10:20")
    return cls(int(first), int(last))

  def before(self, step: int, directory: pathlib.Path) -> None:
    """Starts or ends the trace, `step` steps being done."""
    if not self._running and self._first <= step < self._last:
      jax.profiler.start_trace(directory)
      self._running = True
    if self._running and step >= self._last:
      self.close()

  def close(self) -> None:
    """Ends the trace if it runs."""
    if self._running:
      jax.profiler.stop_trace()
    self._running = False
