"""How far a long command has come: stopped and started again, it goes on from there.

W/unfinished/NAME.npz holds a result together with what it was made from, its source. It serves
whoever comes to the same source again, up to rounding: no other settings have to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import contextlib
import pathlib
from typing import Any

import jax
import numpy as np

from trainer.devices import parallel
from trainer.run import checkpoint

# Of numbers that were computed twice, perhaps on other devices.
_ROUNDING = 1e-9
_PREFIX = "source/"


class Unfinished:
  """What a run's directory has of unfinished commands; with other processes, all call alike."""

  def __init__(self, workdir: pathlib.Path):
    self._folder = workdir / "unfinished"

  def load(self, name: str, source: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """The result kept under a name, None if there is none of this source.

    Args:
      name: of the result.
      source: name -> array, or text.
    """
    found = self._read(name, source)
    return found if parallel.of_first_process(found is not None) else None

  def save(self, name: str, source: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Keeps a result, arrays, in place of what was kept under its name."""
    if jax.process_index() == 0:
      self._folder.mkdir(exist_ok=True)
      made = {_PREFIX + key: value for key, value in source.items()} | dict(result)
      checkpoint.write_arrays(self._folder / f"{name}.npz", made)

  def once(
    self, name: str, source: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]
  ) -> Mapping[str, Any]:
    """What `make` returned, arrays, the first time it was called for a source."""
    found = self.load(name, source)
    if found is None:
      found = make()
      self.save(name, source, found)
    return found

  def clear(self, name: str) -> None:
    """Removes all that is kept under names that begin with this one."""
    if jax.process_index() == 0:
      for path in self._folder.glob(f"{name}*"):
        path.unlink()
      with contextlib.suppress(OSError):  # There are others, or there is none.
        self._folder.rmdir()

  def _read(self, name, source):
    try:
      with np.load(self._folder / f"{name}.npz") as stored:
        if all(_agree(stored[_PREFIX + key], value) for key, value in source.items()):
          return {key: stored[key] for key in stored.files if not key.startswith(_PREFIX)}
    except FileNotFoundError:
      pass
    return None


def _agree(stored, given):
  given = np.asarray(given)
  if stored.shape != given.shape or stored.dtype.kind != given.dtype.kind:
    return False
  if given.dtype.kind not in "fc":
    return np.array_equal(stored, given)
  return np.linalg.norm((stored - given).ravel()) <= _ROUNDING * np.linalg.norm(given.ravel())
