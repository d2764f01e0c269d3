"""The error that a user's mistake raises, and those of a disk that is full."""

import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UserError(ValueError):
  """A mistake in what the user asked for: one clear line saying what is wrong and what to do.

  Attributes:
    status: with which a command exits.
  """

  status = 1


def is_disk_full(error: BaseException | None) -> bool:
  """Whether an error comes of a full disk or quota; libraries wrap those of the system."""
  if error is None:
    return False
  if isinstance(error, OSError) and error.errno in _FULL:
    return True
  if any(os.strerror(number) in str(error) for number in _FULL):
    return True
  inner = getattr(error, "exceptions", ())
  return any(map(is_disk_full, (error.__cause__, error.__context__, *inner)))
