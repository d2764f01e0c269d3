"""Checkpoints and the identity of a run in its working directory."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import fcntl
import json
import math
import os
import pathlib
import tempfile
from typing import Any

from absl import logging
import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from trainer.errors import UserError

_CHECKPOINTS_KEPT = 2
# Of what a workdir holds. 1: no `format` in run.json, the loop's state among the optimiser's. 2: no
# crowded points. 3: no copies of the user's own code. 4: no symmetries. 5: no chosen networks.
FORMAT = 6
# Where in a checkpoint of format 1 lies what is at another place now.
_MOVED = {
  ("schedule", name): ("optimizer", before)
  for name, before in (
    ("level", "level"),
    ("stalled", "stalled"),
    ("best_merit", "best_sigma"),
    ("best", "best"),
  )
}


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


def latest_phase(workdir: pathlib.Path) -> int:
  """The last phase of the run in `workdir` that has a checkpoint, 0 if there is none."""
  phases = [
    int(path.name)
    for path in (workdir / "checkpoints").glob("[0-9]*")
    if any(step.name.isdigit() for step in path.iterdir())
  ]
  return max(phases, default=0)


def open_manager(
  workdir: pathlib.Path, phase: int, every: int, read_only: bool = False
) -> ocp.CheckpointManager:
  """Opens the checkpoints of a phase in `workdir`.

  Saved every `every` steps and on preemption, atomically in the background; the latest are kept.
  """
  policies = [
    checkpoint_managers.FixedIntervalPolicy(every),
    checkpoint_managers.PreemptionCheckpointingPolicy(),
  ]
  options = ocp.CheckpointManagerOptions(
    save_decision_policy=checkpoint_managers.AnySavePolicy(policies),
    preservation_policy=checkpoint_managers.LatestN(_CHECKPOINTS_KEPT),
    read_only=read_only,
    create=not read_only,
    cleanup_tmp_directories=not read_only,
  )
  directory = (workdir / "checkpoints" / str(phase)).absolute()
  return ocp.CheckpointManager(directory, options=options)


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


@contextlib.contextmanager
def quietly() -> Iterator[None]:
  """Keeps Orbax from warning of what is meant, such as that a directory is only read."""
  before = logging.get_verbosity()
  logging.set_verbosity(min(before, logging.ERROR))
  try:
    yield
  finally:
    logging.set_verbosity(before)


def save(manager: ocp.CheckpointManager, step: int, state: Any, force: bool = False) -> None:
  """Saves the state after `step` steps if the policies (or `force`) say so; returns at once."""
  if manager.latest_step() != step:
    manager.save(step, args=ocp.args.StandardSave(state), force=force)


def restore(
  manager: ocp.CheckpointManager,
  like: Any,
  tell: Callable[[str], None] = lambda text: None,
  before: float = math.inf,
) -> Any:
  """Restores the latest intact checkpoint into the shapes, dtypes and shardings of `like`.

  Later ones are removed, unless the manager only reads.

  Args:
    manager: the phase's checkpoints.
    like: a TrainState.
    tell: is called with a line of text if the latest is damaged and an older one is not.
    before: only checkpoints of fewer steps count.

  Raises:
    UserError: there is no checkpoint, or none is one of this run.
  """
  found = sorted(manager.all_steps(), reverse=True)
  steps = [step for step in found if step < before]
  if not steps:
    raise UserError(f"{manager.directory.parents[1]} holds no checkpoint yet: train it first")
  abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
  reasons = []
  for older, step in enumerate(steps):
    try:
      with quietly():
        state = _restore(manager, step, abstract)
    except Exception as error:  # What Orbax and its libraries raise is not documented.
      reasons.append((str(error).splitlines() or [""])[0][:200])
      continue
    if older:
      tell(f"the checkpoint of step {steps[0]} is damaged: going on from that of step {step}")
    for later in found[: found.index(step)]:
      manager.delete(later)
    return state
  raise UserError(
    f"the checkpoint {manager.directory / str(steps[0])} does not fit this run or is damaged "
    f"({reasons[0]}): remove {manager.directory} to train again from what was before"
  ) from None


def _restore(manager, step, abstract):
  try:
    return manager.restore(step, args=ocp.args.StandardRestore(abstract))
  except Exception as error:
    try:
      return _restore_format_1(manager, step, abstract)
    except Exception:
      raise error from None


def _restore_format_1(manager, step, abstract):
  """A state whose optimiser and loop had one common part."""
  fields = abstract._asdict()
  for part in ("optimizer", "schedule"):
    if hasattr(fields[part], "_asdict"):
      fields[part] = fields[part]._asdict()
  schedule = fields.pop("schedule")
  moved = {now: before for now, before in _MOVED.items() if schedule}
  for (_, now), (part, before) in moved.items():
    fields[part][before] = schedule[now]
  old = manager.restore(step, args=ocp.args.StandardRestore(fields))
  found = {now: old[part].pop(before) for (_, now), (part, before) in moved.items()}
  if not moved:
    return type(abstract)(**old, schedule=abstract.schedule)
  return type(abstract)(
    **old | {"optimizer": type(abstract.optimizer)(**old["optimizer"])},
    schedule=type(abstract.schedule)(**found),
  )
