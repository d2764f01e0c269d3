"""What the loops of a run share: devices, validation points, checkpoints, clock and progress."""

from collections.abc import Callable
import math
import pathlib
import time
from typing import Any, NamedTuple

import jax

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.optimizers.state import TrainState, skipped
from trainer.points import dataset
from trainer.points.kept import Kept
from trainer.points.segments import Segments
from trainer.problem.evaluation import Evaluator
from trainer.run import metrics
from trainer.run.checkpoints import Checkpoints
from trainer.run.host import Host, PreemptedError
from trainer.run.mending import Mending
from trainer.run.phases import Phase
from trainer.run.profile import Profile
from trainer.run.run import Run

# How often, and after how many seconds, the last checkpoint of a phase is tried to be saved.
_TRIES, _PAUSE = 7, 10.0
# Steps skipped in a row, which are no accident.
_ROW = 5


class NonfiniteError(Exception):
  """The loss is not finite since a step, its first argument."""


class Job(NamedTuple):
  """A run in one of its phases, on its devices.

  Attributes:
    run: the run.
    mesh: the devices.
    parallelism: "shard_map" or "pmap".
    workdir: where everything goes.
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results.
    validation: points that tell how training goes; neither trained on nor certified on.
    writer: metrics.jsonl.
    progress: the terminal.
    began: the monotonic time at which this process began, less the seconds of training before.
    host: this process.
    mending: repairs of the field so far, see trainer.loop.mend.
    restarts: of this phase, each with more caution, see trainer.loop.recover.
    profile: which steps are traced.
  """

  run: Run
  mesh: jax.sharding.Mesh
  parallelism: str
  workdir: pathlib.Path
  data_dir: pathlib.Path
  memory: int
  validation: dataset.Dataset
  writer: metrics.MetricsWriter
  progress: metrics.Progress
  began: float
  host: Host
  mending: Mending | None = None
  restarts: int = 0
  profile: Profile | None = None

  @property
  def present(self) -> Phase:
    """The present phase."""
    return self.run.present

  @property
  def last_phase(self) -> bool:
    """Whether no phase follows."""
    return self.run.phase + 1 == len(self.run.phases)

  @property
  def elapsed(self) -> float:
    """Seconds of this run, those before a resumption included."""
    return time.monotonic() - self.began

  def seconds_left(self) -> float:
    """Until config.time_limit, by the clock of process 0: every process gets the same answer."""
    limit = self.run.config.time_limit
    if not limit:
      return math.inf
    return parallel.of_first_process(limit - self.elapsed)

  def out_of_time(self) -> bool:
    """Whether the time limit is over."""
    return self.seconds_left() <= 0

  def source(self, split: str) -> dataset.Source:
    """The stream of points called `split`."""
    run = self.run
    directory = None if split == "train" and run.config.data.stream else self.data_dir
    source = run.problem.source(
      split, run.seed, directory, self.mesh, run.dtype, self.progress.sampling
    )
    if split == "train" and self.mending and len(self.mending.places):
      return dataset.replaced(source, self.mending.points(run.problem.variety, run.dtype))
    return source

  def first_points(self) -> Any:
    """The first training points, as many as the devices hold at one time."""
    settings = self.run.config.data
    count = min(settings.train_points, settings.resident_points)
    return dataset.load(self.source("train"), count).batch

  def segments(
    self,
    state: TrainState,
    batch_size: int,
    num_points: int,
    keep: Callable[[Any], dict[str, jax.Array]] | None = None,
  ) -> Segments:
    """The first `num_points` training points, an epoch, in batches; `keep` as in Linearisation."""
    settings = self.run.config.data
    return Segments(
      self.source("train"),
      num_points=num_points,
      resident_points=settings.resident_points,
      stream=settings.stream,
      batch_size=batch_size,
      mode=self.parallelism,
      extend=self.kept(state, keep),
    )

  def kept(
    self, state: TrainState, keep: Callable[[Any], dict[str, jax.Array]] | None = None
  ) -> Kept:
    """Adds to a batch what is needed of its points and this phase does not change."""
    params = parallel.globalise(state.params, self.mesh)
    of_points = (lambda params, batch: keep(batch)) if keep else self.run.problem.keep
    return Kept(of_points, params, self.mesh, self.memory)

  def evaluator(self, state: TrainState) -> Callable[[TrainState], dict[str, float]]:
    """Compiles state -> {name, name_stderr: of each measure} on the validation points."""
    problem = self.run.problem
    evaluate = Evaluator(problem.values, self.mesh, self.memory)
    points = self.kept(state)(self.validation.batch)

    def at(state: TrainState) -> dict[str, float]:
      params = parallel.globalise(state.params, self.mesh)
      measures = problem.validate(evaluate(params, points, self.validation.num_points))
      row = {}
      for name, measure in measures.items():
        row |= {name: measure.value, f"{name}_stderr": measure.stderr}
      return row

    return at

  def trace(self, step: int, last: bool = False) -> None:
    """Starts or ends the trace of steps that is asked for, `step` steps being done."""
    if self.profile is not None:
      self.profile.before(step, self.workdir / "profile")
      if last:
        self.profile.close()

  def record(self, step: int, row: dict[str, Any]) -> None:
    """Writes and shows a row of metrics."""
    row = {"step": step, "seconds": self.elapsed, "restarts": self.restarts, **row}
    self.writer.write(row)
    self.progress.update(step, row)

  def save(self, saved: Checkpoints, state: TrainState, force: bool, last: bool = False) -> None:
    """Saves a state if it is due, or if `force` says so; training goes on where the disk is full.

    Args:
      saved: the phase's checkpoints.
      state: the state.
      force: whether to save it in any case.
      last: whether none follows: it is tried again for a while, and is on disk at the end.

    Raises:
      UserError: the last could not be saved.
    """
    step = int(state.step)
    for left in range(_TRIES if last else 1, 0, -1):
      failures = [saved.save(step, state, force), saved.finish() if last else None]
      failures = [failure for failure in failures if failure]
      hint = f"trying again for {(left - 1) * _PAUSE:.0f} s" if last else "going on without"
      for failed, reason in failures:
        self.progress.note(f"cannot save a checkpoint of step {failed}: {reason}; {hint}")
      if all(failed != step for failed, _ in failures):
        return
      if left > 1:
        time.sleep(_PAUSE)
    if last:
      before = saved.latest_step()
      where = "" if before is None else f"; the same command goes on from step {before}"
      raise UserError(
        f"what was trained cannot be saved in {saved.directory} ({reason}): make room{where}"
      )

  def stop_preempted(self, saved: Checkpoints, state: TrainState) -> None:
    """Saves and ends a run whose process was told to terminate."""
    self.host.saving.set()
    if not skipped(state):
      self.save(saved, state, force=True)
    saved.finish()
    step = saved.latest_step()
    where = "no checkpoint could be saved"
    if step is not None:
      where = f"checkpoint saved at step {step}: the same command goes on from there"
    raise PreemptedError(f"stopped by a termination signal; {where}")


def is_skipping(state: TrainState, last: bool) -> bool:
  """Whether the last step was skipped because its loss was not finite.

  Args:
    state: after it.
    last: whether no step follows.

  Raises:
    NonfiniteError: it is no accident: so were those before it, or no other follows.
  """
  row = skipped(state)
  if row >= _ROW or (row and last):
    raise NonfiniteError(int(state.nonfinite_step))
  return row > 0
