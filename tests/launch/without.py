"""A command without its certificate, or without the pictures of its report.

python -m tests.launch.without certificate launch.train --flag=value ..
"""

import runpy
import sys

from trainer.certificate import certify, pictures


def _certified(*arguments, **settings):
  return {"verdict": {"passed": True, "lines": []}}


if __name__ == "__main__":
  _, part, module, *arguments = sys.argv
  if part == "certificate":
    certify.certify = _certified
  else:
    assert part == "pictures"
    pictures.png = lambda figure: b""
  sys.argv = [module, *arguments]
  runpy.run_module(module, run_name="__main__", alter_sys=True)
