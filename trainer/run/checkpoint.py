"""The identity of a run in its working directory; its checkpoints are in checkpoints.py."""

from collections.abc import Iterator, Mapping
import contextlib
import fcntl
import json
import os
import pathlib
import tempfile
from typing import Any

import numpy as np

from trainer.errors import UserError

# Of what a workdir holds. 1: no `format` in run.json, the loop's state among the optimiser's. 2: no
# crowded points. 3: no copies of the user's own code. 4: no symmetries. 5: no chosen networks.
FORMAT = 6


def write_json(path: pathlib.Path, content: Any) -> None:
  """Writes JSON so that `path` holds either its old content or the whole new one."""
  temporary = path.with_name(path.name + ".tmp")
  temporary.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")
  os.replace(temporary, path)


def write_arrays(path: pathlib.Path, arrays: Mapping[str, Any]) -> None:
  """Writes an .npz file so that `path` holds either its old content or the whole new one."""
  temporary = path.with_name(path.name + ".tmp")
  with temporary.open("wb") as file:
    np.savez(file, **arrays)
  os.replace(temporary, path)


def check_writable(workdir: pathlib.Path) -> None:
  """Creates `workdir` if need be; UserError if nothing can be written there."""
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=workdir):
      pass
  except OSError as error:
    raise UserError(
      f"cannot write to the workdir {workdir} ({error.strerror}): choose another --workdir"
    ) from None


def claim_workdir(workdir: pathlib.Path, run: dict[str, Any], write: bool) -> bool:
  """Makes `workdir` the home of `run`, or refuses if it is another run's.

  Args:
    workdir: an existing directory.
    run: what identifies the run (config, seed, dtype, code), JSON-like, and its choice.
    write: whether to write run.json; if not, only whether the directory may be claimed is checked.

  Returns:
    Whether the run is new there.

  Raises:
    UserError: the directory holds a run that differs; the message names what differs.
  """
  path = workdir / "run.json"
  run = json.loads(json.dumps(run))
  if path.exists():
    stored = read_run(workdir)
    run.pop("choice", None)
    stored.pop("choice", None)
    here = run.pop("code", {})
    there = stored.pop("code", here)
    edited = [source for source in here if there.get(source, here[source]) != here[source]]
    if edited:
      copy = workdir / "code" / there[edited[0]]
      raise UserError(
        f"{edited[0]} was changed since the run in {workdir} was started: choose another "
        f"--workdir, or put it back as in {copy}"
      )
    differing = _differences(stored, run)
    if differing:
      raise UserError(
        f"the workdir {workdir} holds another run ({'; '.join(differing)}): "
        "choose another --workdir, or run with the settings it was started with"
      )
    return False
  if write:
    write_json(path, run | {"format": FORMAT})
  return True


def read_run(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns what `claim_workdir` stored; UserError if `workdir` holds no run of this program."""
  path = workdir / "run.json"
  try:
    run = json.loads(path.read_text())
    stored = {key: run[key] for key in ("config", "seed", "dtype")}
    stored |= {key: run[key] for key in ("code", "choice") if key in run}
    written = int(run.get("format", 1))
  except FileNotFoundError:
    raise UserError(
      f"{workdir} holds no run: {path.name} is missing; give the --workdir of a "
      "run that was trained"
    ) from None
  except (ValueError, KeyError, TypeError):
    raise UserError(f"{path} is damaged or not from this program") from None
  if written > FORMAT:
    raise UserError(f"{path} has format {written}, which a newer version of this program wrote")
  if written == 1:
    # What has come since has its default there.
    stored["config"] = {"problem": "metric"} | stored["config"]
  if written <= 2:
    stored["config"]["data"] = {"concentration": "auto"} | stored["config"]["data"]
  if written <= 4:
    none = {"order": 1, "phases": [], "permutations": [], "conjugation": False}
    stored["config"] = {"symmetries": none} | stored["config"]
  if written <= 5:
    stored["config"] = {"budget_seconds": 300.0} | stored["config"]
  return stored


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
  if isinstance(old, dict) and isinstance(new, dict):
    return [
      line
      for key in sorted({*old, *new})
      for line in _differences(
        old.get(key, "nothing"), new.get(key, "nothing"), f"{prefix}.{key}".lstrip(".")
      )
    ]
  return [] if old == new else [f"{prefix} is {old!r} there, {new!r} here"]


@contextlib.contextmanager
def locked(workdir: pathlib.Path, enabled: bool = True) -> Iterator[None]:
  """Keeps other processes from training in `workdir`; UserError if one does.

  The system lifts the lock when the process ends, however it does.
  """
  if not enabled:
    yield
    return
  with (workdir / "lock").open("a") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      raise UserError(
        f"another process is training in {workdir}: wait for it, or choose another --workdir"
      ) from None
    except OSError:
      pass  # A file system without locks.
    yield
