"""Checkpoints of a run: process 0 alone writes and reads them, and says how that went."""

from collections.abc import Callable, Iterator
import contextlib
import math
import pathlib
import shutil
from typing import Any

from absl import logging
import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from trainer.devices import parallel
from trainer.errors import UserError, is_disk_full

_KEPT = 2
# What Orbax writes to, until it is complete.
_UNFINISHED = "*.orbax-checkpoint-tmp*"
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

# A step, and why it could not be saved.
Failure = tuple[int, str]


def latest_phase(workdir: pathlib.Path) -> int:
  """The last phase of the run in `workdir` that has a checkpoint, 0 if there is none."""
  phases = [
    int(path.name)
    for path in (workdir / "checkpoints").glob("[0-9]*")
    if any(step.name.isdigit() for step in path.iterdir())
  ]
  return max(phases, default=0)


class Checkpoints:
  """The checkpoints of a phase, of which the latest are kept; a context manager.

  All of a state is on every device. If all processes took part in a save, as Orbax has it, those
  whose part is written would wait for one whose disk is full. All call what is here, and get the
  same answers.
  """

  def __init__(self, workdir: pathlib.Path, phase: int, every: int, read_only: bool = False):
    """Args: the run's directory; steps between saves that are not forced; whether to write none."""
    self.directory = (workdir / "checkpoints" / str(phase)).absolute()
    self._every, self._read_only = every, read_only
    self._main = jax.process_index() == 0
    self._manager: ocp.CheckpointManager | None = None
    self._writing: int | None = None

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, *exception) -> None:
    if self._manager is not None:
      self._finish()
      self._close()

  def all_steps(self) -> list[int]:
    """Steps that have a checkpoint, one that is being written included, rising."""
    return parallel.of_first_process(self._steps() if self._main else None)

  def latest_step(self) -> int | None:
    """The last of them."""
    return max(self.all_steps(), default=None)

  def reached_preemption(self, step: int) -> bool:
    """Whether all processes are to stop after this step, because one was told to terminate."""
    return multihost_utils.reached_preemption_sync_point(step)

  def save(self, step: int, state: Any, force: bool = False) -> Failure | None:
    """Starts to save the state after `step` steps if it is due, or if `force` says so.

    Returns:
      What could not be saved, this one or one before, whose end is waited for.
    """
    failure = None
    if self._main:
      failure = self._finish()
      if step not in self._steps():
        failure = self._start(step, state, force) or failure
    return parallel.of_first_process(failure)

  def finish(self) -> Failure | None:
    """Waits until everything is on disk; returns what could not be saved."""
    return parallel.of_first_process(self._finish() if self._main else None)

  def restore(
    self,
    like: Any,
    tell: Callable[[str], None] = lambda text: None,
    before: float = math.inf,
  ) -> Any:
    """Restores the latest intact checkpoint into the shapes, dtypes and shardings of `like`.

    Later ones are removed, unless nothing may be written.

    Args:
      like: a TrainState.
      tell: is called with a line of text if the latest is damaged and an older one is not.
      before: only checkpoints of fewer steps count.

    Raises:
      UserError: there is no checkpoint, or none is one of this run.
    """
    found = self.all_steps()[::-1]
    steps = [step for step in found if step < before]
    if not steps:
      raise UserError(f"{self.directory.parents[1]} holds no checkpoint yet: train it first")
    state = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), like)
    read = None
    if self._main:
      read, state = self._read(steps, state)
    step, reason = parallel.of_first_process(read)
    if step is None:
      raise UserError(
        f"the checkpoint {self.directory / str(steps[0])} does not fit this run or is damaged "
        f"({reason}): remove {self.directory} to train again from what was before"
      )
    if step != steps[0]:
      tell(f"the checkpoint of step {steps[0]} is damaged: going on from that of step {step}")
    if self._main and not self._read_only:
      for later in found[: found.index(step)]:
        self._open().delete(later)
    if jax.process_count() > 1:
      state = multihost_utils.broadcast_one_to_all(state)
    return jax.tree.map(_place, state, like)

  def _open(self) -> ocp.CheckpointManager:
    if not self._read_only:
      self.directory.parents[1].stat()  # A workdir that is gone is not made anew.
      self.directory.mkdir(parents=True, exist_ok=True)
    if self._manager is None:
      alone = ocp.options.MultiprocessingOptions(
        primary_host=0, active_processes={0}, barrier_sync_key_prefix="process0"
      )
      options = ocp.CheckpointManagerOptions(
        save_decision_policy=checkpoint_managers.FixedIntervalPolicy(self._every),
        preservation_policy=checkpoint_managers.LatestN(_KEPT),
        read_only=self._read_only,
        create=False,
        cleanup_tmp_directories=not self._read_only,
        multiprocessing_options=alone,
      )
      self._manager = ocp.CheckpointManager(self.directory, options=options)
    return self._manager

  def _close(self) -> None:
    with contextlib.suppress(Exception):
      self._manager.close()
    self._manager = None

  def _steps(self) -> list[int]:
    return sorted(self._open().all_steps()) if self.directory.exists() else []

  def _start(self, step: int, state: Any, force: bool) -> Failure | None:
    try:
      state = jax.tree.map(np.asarray, state)
      if self._open().save(step, args=ocp.args.StandardSave(state), force=force):
        self._writing = step
    except Exception as error:  # What Orbax and its libraries raise is not documented.
      return self._failed(step, error)
    return None

  def _finish(self) -> Failure | None:
    step, self._writing = self._writing, None
    try:
      if step is not None:
        self._manager.wait_until_finished()
    except Exception as error:
      return self._failed(step, error)
    return None

  def _failed(self, step: int, error: Exception) -> Failure:
    """Makes room, and has the next save start from what is on disk."""
    if self._manager is not None:
      self._close()
    for path in self.directory.glob(_UNFINISHED):
      shutil.rmtree(path, ignore_errors=True)
    return step, _reason(error)

  def _read(self, steps: list[int], like: Any) -> tuple[tuple[int | None, str], Any]:
    """Of the first of the steps that is intact (itself, ""), state; else (None, why not), like."""
    reasons = []
    for step in steps:
      try:
        with quietly():
          return (step, ""), _restore(self._open(), step, like)
      except Exception as error:
        reasons.append((str(error).splitlines() or [""])[0][:200])
    return (None, reasons[0]), like


@contextlib.contextmanager
def quietly() -> Iterator[None]:
  """Keeps Orbax from warning of what is meant, such as that a directory is only read."""
  before = logging.get_verbosity()
  logging.set_verbosity(min(before, logging.ERROR))
  try:
    yield
  finally:
    logging.set_verbosity(before)


def _reason(error: Exception) -> str:
  if isinstance(error, OSError) and error.strerror:
    return error.strerror
  if is_disk_full(error):
    return "the disk is full"
  return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


def _place(a: np.ndarray, like: Any) -> jax.Array:
  """An array that all processes have, where `like` is."""
  if not isinstance(like, jax.Array):
    return jnp.asarray(a)
  a = np.asarray(a)
  return jax.make_array_from_callback(a.shape, like.sharding, lambda index: a[index])


def _restore(manager, step, like):
  try:
    return manager.restore(step, args=ocp.args.StandardRestore(like))
  except Exception as error:
    try:
      return _restore_format_1(manager, step, like)
    except Exception:
      raise error from None


def _restore_format_1(manager, step, like):
  """A state whose optimiser and loop had one common part."""
  fields = like._asdict()
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
    return type(like)(**old, schedule=like.schedule)
  return type(like)(
    **old | {"optimizer": type(like.optimizer)(**old["optimizer"])},
    schedule=type(like.schedule)(**found),
  )
