"""A command without its certificate, the pictures of its report, or space on its disk for a while.

python -m tests.launch.without certificate launch.train --flag=value ..
"""

import itertools
import resource
import runpy
import sys

from trainer.certificate import certify, pictures
from trainer.loop import job
from trainer.run import checkpoints

# So many checkpoints find the disk full when a file has so many bytes.
_FULL, _BYTES = 4, 200


def _certified(*arguments, **settings):
  return {"verdict": {"passed": True, "lines": []}}


def _filling(save, times=itertools.count()):
  """Saves that fail on their way, in the process that writes: no file there grows any more."""

  def limited(saved, step, state, force=False):
    if next(times) >= _FULL:
      return save(saved, step, state, force)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_BYTES, before[1]))
    failures = save(saved, step, state, force), saved.finish()
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return failures[0] or failures[1]

  return limited


if __name__ == "__main__":
  _, part, module, *arguments = sys.argv
  if part in ("certificate", "space"):
    certify.certify = _certified
  if part == "space":
    checkpoints.Checkpoints.save = _filling(checkpoints.Checkpoints.save)
    job._PAUSE = 0.1
  if part == "pictures":
    pictures.png = lambda figure: b""
  sys.argv = [module, *arguments]
  runpy.run_module(module, run_name="__main__", alter_sys=True)
