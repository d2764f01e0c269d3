"""A function that takes long at every point: done part by part, timed, and each part kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import functools
import time
from typing import Any

import jax
import numpy as np

from trainer.devices import parallel
from trainer.quadrature.background import Background
from trainer.quadrature.of_run import Task
from trainer.run.unfinished import Unfinished

# Points of a part: seconds of work.
_PART = 1024


class InParts:
  """Background.at_points on every process, of one function at several backgrounds."""

  def __init__(self, task: Task, name: str, points: int):
    """Args: the task, a name for what is kept of it, how many points there will be in all."""
    self._name, self._points, self._done = name, points, 0
    self._kept: Unfinished = task.unfinished
    self._digest, self._progress = task.digest, task.progress
    self._compiled = self._told = False
    self._progress.start(name, points, "")

  def __call__(
    self,
    background: Background,
    function: Callable[..., dict[str, jax.Array]],
    params: Any,
    source: Mapping[str, Any],
  ) -> dict[str, np.ndarray]:
    """What a function gives at points.

    Args:
      background: the points.
      function: (params, Rows) -> name -> array (C, ...).
      params: a pytree.
      source: what of params may differ from one command to the next, for one metric.

    Returns:
      name -> array (B, ...), the padding of B points included.
    """
    devices = background.mesh.size
    length = background.rows.volume.shape[0] // devices
    size = min(max(1, _PART // devices), length)
    parts = {}
    for start in range(0, length, size):
      start = min(start, length - size)
      for key, array in self._part(background, function, params, source, start, size).items():
        array = array.reshape(devices, size, *array.shape[1:])
        shape = devices, length, *array.shape[2:]
        parts.setdefault(key, np.zeros(shape, array.dtype))[:, start : start + size] = array
    return {key: array.reshape(-1, *array.shape[2:]) for key, array in parts.items()}

  def _part(self, background, function, params, source, start, size):
    first = parallel.replicate(background.mesh, np.int32(start))
    rows = _cut(background.mesh, size)(first, background.rows)
    gather = lambda a: np.asarray(parallel.gather_rows(a))
    source = dict(source) | {"digest": self._digest, "x": gather(rows.x)}
    began = time.monotonic()

    def make():
      values = dataclasses.replace(background, rows=rows).at_points(function, params)
      found = jax.tree.map(gather, values)
      self._tell(len(rows.x), time.monotonic() - began)
      return found

    found = self._kept.once(f"{self._name}_{self._done}", source, make)
    self._done += len(rows.x)
    self._progress.update(min(self._done, self._points), {})
    return found

  def _tell(self, points, seconds):
    """Says how long it takes, once a part has taken so long without its compilation."""
    if self._compiled and not self._told:
      left = self._points - self._done
      self._progress.stage(f"{self._name}: about {left / points * seconds:.0f} s")
      self._told = True
    self._compiled = True


@functools.lru_cache(maxsize=16)
def _cut(mesh, size):
  """(start, rows) -> `size` rows of every device, from the one with that number on."""
  cut = lambda start, a: jax.lax.dynamic_slice_in_dim(a, start, size)
  return parallel.compile_rows(
    lambda start, rows: jax.tree.map(functools.partial(cut, start), rows), mesh
  )
