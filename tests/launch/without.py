"""A command without its certificate, the pictures of its report, or space on its disk for a while.

python -m tests.launch.without certificate launch.train --flag=value ..
"""

import errno
import itertools
import os
import runpy
import sys

from trainer.certificate import certify, pictures
from trainer.loop import job
from trainer.run import disk

# So many checkpoints find the disk full.
_FULL = 4


def _certified(*arguments, **settings):
  return {"verdict": {"passed": True, "lines": []}}


def _allocate(descriptor, size, times=itertools.count()):
  if next(times) < _FULL:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


if __name__ == "__main__":
  _, part, module, *arguments = sys.argv
  if part in ("certificate", "space"):
    certify.certify = _certified
  if part == "space":
    disk._allocate, job._PAUSE = _allocate, 0.1
  if part == "pictures":
    pictures.png = lambda figure: b""
  sys.argv = [module, *arguments]
  runpy.run_module(module, run_name="__main__", alter_sys=True)
