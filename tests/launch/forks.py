"""Runs commands one after the other in forks of a process that has imported what they share.

  python -m tests.launch.forks < {"name": ["launch.train", "--flag=value", ..], ..}

prints {"name": [exit status, stdout, stderr], ..}. JAX starts nothing before a command does.
"""

import json
import os
import runpy
import sys
import tempfile

from launch import cli  # noqa: F401
from trainer.loop import train  # noqa: F401


def _run(module, *arguments):
  with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
    child = os.fork()
    if not child:
      os.dup2(stdout.fileno(), 1)
      os.dup2(stderr.fileno(), 2)
      sys.argv = [module, *arguments]
      runpy.run_module(module, run_name="__main__", alter_sys=True)
      sys.exit()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    stdout.seek(0)
    stderr.seek(0)
    return status, stdout.read().decode(), stderr.read().decode()


if __name__ == "__main__":
  print(json.dumps({name: _run(*command) for name, command in json.load(sys.stdin).items()}))
