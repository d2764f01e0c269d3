"""Datasets on disk: files of one block each, under a directory named after what determines them.

A dataset is an endless stream of points; asking for more of it adds blocks, so a killed run resumes
where it stopped and processes that share a directory each write their own part. Files are
memory-mapped: only the points that are asked for are read.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
import hashlib
import io
import json
import os
import pathlib
import tempfile
import zlib

import jax
import numpy as np

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.sampling.points import Points
from trainer.sampling.sampler import Sampler

# Raise whenever the same description would give other points.
_FORMAT = 5
_SPLITS = ("train", "heldout", "validation")


def load_or_sample(
  sampler: Sampler,
  *,
  seed: int,
  split: str,
  start: int,
  stop: int,
  directory: str | os.PathLike | None,
  progress: Callable[[int, int], None] | None = None,
) -> Points:
  """Points start <= i < stop of a stream, from the cache where it has them, sampled where not.

  Args:
    sampler: of the variety, whose Kaehler moduli do not matter to the points.
    seed: determines the points, together with split.
    split: "train", "heldout" or "validation", independent streams.
    start: first global index.
    stop: one past the last global index.
    directory: the cache; the dataset gets a subdirectory of its own. None: nothing is stored.
    progress: called with (points ready, points asked for) after every block.

  Returns:
    Points of numpy arrays, stop - start of them, the same whatever start and stop.

  Raises:
    UserError: the directory is not writable, belongs to another dataset, or holds a damaged file.
  """
  if split not in _SPLITS:
    raise UserError(f"unknown split {split!r}; use one of {', '.join(_SPLITS)}")
  if not 0 <= start < stop:
    raise UserError(f"points {start} to {stop} are no range; ask for 0 <= start < stop")
  home = (
    None if directory is None else _open(pathlib.Path(directory), describe(sampler, seed, split))
  )
  key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), _SPLITS.index(split))
  count, size = stop - start, sampler.points_per_block
  points = Points(
    z=np.empty((count, sampler.variety.num_coordinates), np.complex128),
    weight=np.empty(count),
    omega=np.empty(count),
  )
  for index, block in _blocks(sampler, key, home, range(start // size, -(-stop // size))):
    first, last = max(start, index * size), min(stop, (index + 1) * size)
    for whole, part in zip(points, block):
      whole[first - start : last - start] = part[first - index * size : last - index * size]
    if progress is not None:
      progress(last - start, count)
  return points


def describe(sampler: Sampler, seed: int, split: str) -> dict:
  """All that determines a stream of points, as plain JSON data."""
  variety = sampler.variety
  return {
    "format": _FORMAT,
    "ambient": list(variety.ambient),
    "polynomials": [
      {
        "exponents": [list(row) for row in q.exponents],
        "coefficients": [[c.real, c.imag] for c in q.coefficients],
      }
      for q in variety.polynomials
    ],
    "seed": int(seed),
    "split": split,
    "points_per_block": sampler.points_per_block,
    **sampler.describe(),
  }


def _blocks(sampler, key, home, indices):
  """Yields (index, Points of numpy arrays) in order, sampling what is missing on all local devices.

  Blocks run on the devices in turn, one ahead on each. A block is one device's work whichever it
  is, so that points do not depend on the number of devices. Without a home nothing is stored.
  """
  # A key that lies where it was made compiles the same programs as other callers' keys.
  others = parallel.geometry_devices()[1:]
  keys = [key, *(jax.device_put(key, device) for device in others)]
  running = collections.deque()
  for index in indices:
    path = home and home / f"block_{index:06d}.npy"
    stored = bool(path) and path.exists()
    running.append(
      (index, path, stored, None if stored else sampler.block(keys[index % len(keys)], index))
    )
    if len(running) > len(keys):
      yield _finish_block(sampler, *running.popleft())
  while running:
    yield _finish_block(sampler, *running.popleft())


def _finish_block(sampler, index, path, stored, block):
  if stored:
    return index, _read(path, sampler)
  block = jax.tree.map(np.asarray, block)
  if path:
    rows = np.empty(sampler.points_per_block, _row_type(sampler))
    for name, column in block._asdict().items():
      rows[name] = column
    content = io.BytesIO()  # NumPy would not say why it cannot write to a file.
    np.save(content, rows)
    _write(path, lambda file: file.write(content.getvalue() + _checksum(rows)))
  return index, block


def _row_type(sampler):
  """A point in a block's file."""
  return np.dtype(
    [("z", "<c16", (sampler.variety.num_coordinates,)), ("weight", "<f8"), ("omega", "<f8")]
  )


def _open(directory, description):
  """The dataset's own directory, made and labelled if it is new, checked if it is not."""
  text = json.dumps(description, indent=1, sort_keys=True)
  home = directory / hashlib.sha256(text.encode()).hexdigest()[:16]
  meta = home / "meta.json"
  try:
    home.mkdir(parents=True, exist_ok=True)
    if not meta.exists():
      _write(meta, lambda file: file.write(text.encode()))
    stored = meta.read_text()
  except OSError as error:
    raise UserError(
      f"cannot write the dataset to {home}: {error.strerror}; choose another --data_dir"
    ) from None
  if stored != text:
    raise UserError(
      f"the dataset in {home} is of another manifold, seed or version; remove that "
      "directory or choose another"
    )
  return home


def _checksum(rows):
  return zlib.crc32(rows).to_bytes(4, "little")


def _read(path, sampler):
  """The points of a block's file, memory-mapped: an array and its checksum."""
  try:
    rows = np.load(path, mmap_mode="r", allow_pickle=False)
    with open(path, "rb") as file:
      file.seek(-len(_checksum(b"")), os.SEEK_END)
      intact = file.read() == _checksum(rows)
  except (OSError, ValueError, EOFError):
    intact = False
  if not intact or (rows.shape, rows.dtype) != ((sampler.points_per_block,), _row_type(sampler)):
    raise UserError(f"the dataset file {path} is damaged; remove it and it will be sampled again")
  return Points(**{name: rows[name] for name in Points._fields})


def _write(path, write):
  """Writes a file under another name and renames it: readers see all of it or nothing."""
  try:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
      with os.fdopen(descriptor, "wb") as file:
        write(file)
      os.replace(temporary, path)
    except BaseException:
      os.unlink(temporary)
      raise
  except OSError as error:
    raise UserError(
      f"cannot write {path}: {error.strerror}; free space or choose another --data_dir"
    ) from None
