"""The training points, one segment after another, each shuffled on the devices.

A segment is what lies on the devices at one time. A dataset that fits is one segment, shuffled
anew for every epoch. A larger one is cut into segments that are read from the cache in an order
that changes with the epoch; a stream is cut into segments of fresh points that are never stored.
The next segment is prepared on the host while the devices work on the present one.
"""

from collections.abc import Callable
from concurrent import futures
from typing import Any

import jax
import numpy as np

from trainer.devices import parallel
from trainer.points import dataset


class Segments:
  """Batches for every step of a run; segment i depends on the seed and on i alone.

  Attributes:
    steps: batches of a segment.
  """

  def __init__(
    self,
    source: dataset.Source,
    *,
    num_points: int,
    resident_points: int,
    stream: bool,
    batch_size: int,
    mode: str,
    extend: Callable[[Any], Any] = lambda batch: batch,
  ):
    """Loads the first segment, to be cut into batches of `batch_size`.

    Args:
      source: the stream of training points.
      num_points: points of an epoch.
      resident_points: points on the devices at one time, at most.
      stream: whether every epoch has fresh points.
      batch_size: points of a batch, over all devices; a segment holds at least one.
      mode: see trainer.devices.parallel.compile_step.
      extend: adds to the resident points what is to be computed only once.
    """
    self._source = source
    self._extend = extend
    self._stream = stream
    self._per_epoch = -(-num_points // max(resident_points, batch_size))
    self._size = num_points // self._per_epoch
    self._mode = mode
    self._key = jax.random.fold_in(jax.random.key(source.seed), 1)
    self._resident = extend(dataset.load(source, self._size).batch)
    self._resident_first = 0
    self._background = futures.ThreadPoolExecutor(max_workers=1)
    self._next: tuple[int, futures.Future] | None = None
    self.cut(batch_size)

  def cut(self, batch_size: int) -> None:
    """Makes batches of another size, at most the first, from now on."""
    self._shuffle = dataset.make_shuffle(self._source.mesh, self._size, batch_size)
    self._present: tuple[int, Any] | None = None
    self.steps = self._size // batch_size

  def of_step(self, step: int) -> Any:
    """The segment that holds the batch of a step, made once as steps follow one another."""
    index = step // self.steps
    if self._present is None or self._present[0] != index:
      self._present = None  # Frees its memory before the next one needs as much.
      self._present = index, self(index)
    return self._present[1]

  def __call__(self, index: int) -> Any:
    """The batches (steps, batch_size, ...) of segment `index`, laid out for the compiled step."""
    first = self._first_point(index)
    if first != self._resident_first:
      local = self._on_host(first)
      self._resident = None  # Frees its memory first.
      self._resident = self._extend(dataset.put(self._source, local, self._size))
      self._resident_first = first
    following = self._first_point(index + 1)
    if following != first:
      self._next = (
        following,
        self._background.submit(
          dataset.load_on_host, self._source._replace(progress=None), self._size, following
        ),
      )
    return parallel.lay_out_epoch(
      self._shuffle(self._resident, self._key, index), self._source.mesh, self._mode
    )

  def close(self) -> None:
    """Drops what is being prepared."""
    self._background.shutdown(cancel_futures=True)

  def _on_host(self, first: int) -> Any:
    if self._next is not None and self._next[0] == first:
      return self._next[1].result()
    return dataset.load_on_host(self._source, self._size, first)

  def _first_point(self, index: int) -> int:
    if self._stream:
      return index * self._size
    epoch, place = divmod(index, self._per_epoch)
    order = np.random.default_rng((self._source.seed, epoch)).permutation(self._per_epoch)
    return int(order[place]) * self._size
