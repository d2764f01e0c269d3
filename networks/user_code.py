"""Errors in a user's files, such as networks and configs: those of no library and not ours."""

from __future__ import annotations

import pathlib
import sysconfig
import traceback

_OURS = pathlib.Path(__file__).parents[1]
_PACKAGES = tuple(str(_OURS / name) + "/" for name in ("trainer", "networks", "launch", "tests"))
_LIBRARIES = tuple({sysconfig.get_paths()[name] + "/" for name in ("stdlib", "purelib", "platlib")})


def is_users(file: str) -> bool:
  """Whether a source file is a user's; shipped configs count, as they are there to be changed."""
  return pathlib.Path(file).is_file() and not file.startswith(_PACKAGES + _LIBRARIES)


def describe(error: BaseException) -> str:
  """What went wrong on one line, and where if that is in a user's file: "mine.py, line 3: ..."."""
  text = f"{type(error).__name__}: {error}"
  if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
    return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
  place = place_of(error)
  return f"{place}: {text}" if place else text


def place_of(error: BaseException) -> str | None:
  """The innermost line of a user's file that an error came through, "mine.py, line 3", or None."""
  frames = [f for f in traceback.extract_tb(error.__traceback__) if is_users(f.filename)]
  return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None
