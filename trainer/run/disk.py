"""Whether a disk takes a checkpoint."""

import errno
import os
import tempfile
from typing import Any

import jax
import orbax.checkpoint as ocp

# A checkpoint's size, with room to spare, over that of its arrays; bytes of what else is in it.
_SLACK, _METADATA = 1.2, 2**20
# Of a file system that cannot say whether there is space.
_UNKNOWN = (errno.EOPNOTSUPP, errno.EINVAL)


def obstacle(manager: ocp.CheckpointManager, state: Any) -> str | None:
  """Why the disk would not take a checkpoint of `state` now, None if it would.

  Tried beforehand: of several processes in the middle of a save one alone would fail.
  """
  size = _SLACK * sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + _METADATA
  try:
    if manager.directory.parents[1].exists():
      manager.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=manager.directory) as file:
      _allocate(file.fileno(), int(size))
  except OSError as error:
    return None if error.errno in _UNKNOWN else error.strerror
  return None


def _allocate(descriptor: int, size: int) -> None:
  if hasattr(os, "posix_fallocate"):
    os.posix_fallocate(descriptor, 0, size)
