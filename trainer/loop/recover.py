"""Where the loss of step after step is not finite: a bounded number of restarts, then an end.

A single such step is skipped (trainer.optimizers.state.after_step). Several in a row are no
accident: training goes back to the last checkpoint known to be good, with more damping or a smaller
rate.
"""

import json
import pathlib

import jax
import numpy as np

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.loop import state as states
from trainer.loop.job import Job, NonfiniteError
from trainer.optimizers.state import TrainState
from trainer.run import checkpoint
from trainer.run.checkpoints import Checkpoints

_RESTARTS = 2
_NETWORK = (
  "before anything was trained: the network or its derivatives give no numbers at some points; "
  "look for roots, logarithms, norms and quotients of zero in it"
)


def train(job: Job, state: TrainState, saved: Checkpoints) -> TrainState:
  """Trains the present phase to its end.

  Args:
    job: the run.
    state: where it starts or goes on from.
    saved: the phase's checkpoints.

  Returns:
    The final state, which is saved.

  Raises:
    UserError: the loss stopped being finite, and restarts did not help.
  """
  loop = states.loop_of(job.run)
  beginning = jax.tree.map(np.asarray, state)  # Steps donate their state.
  job = job._replace(restarts=_restarts(job))
  while True:
    try:
      with job.host.steps():
        return loop.train(job, state, saved)
    except NonfiniteError as error:
      (bad,) = error.args
      _stop_if_hopeless(job, bad, int(beginning.step), saved, loop.ADVICE)
      # The checkpoint of the step before is what the loss is not finite at.
      if any(step < bad - 1 for step in saved.all_steps()):
        like = parallel.replicate(job.mesh, beginning)
        state = saved.restore(like, job.progress.note, before=bad - 1)
      else:
        state = parallel.replicate(job.mesh, beginning)
      state = loop.careful(state)
      job = job._replace(restarts=job.restarts + 1)
      _remember(job)
      job.writer.resume(int(state.step))
      job.progress.note(
        f"the loss is not finite since step {bad}: going on from step {int(state.step)} with more "
        "caution"
      )


def _stop_if_hopeless(job, bad, first, saved, advice):
  last = saved.latest_step()
  untrained = bad == first + 1 and last is None
  if not untrained and job.restarts < _RESTARTS:
    return
  where = "" if last is None else f"; the checkpoint of step {last} holds a state before"
  reason = _NETWORK if untrained else f"{job.restarts} restarts did not help; {advice}"
  raise UserError(f"the loss is not finite since step {bad}: {reason}{where}")


def _path(workdir: pathlib.Path) -> pathlib.Path:
  return workdir / "restarts.json"


def _restarts(job: Job) -> int:
  """Restarts of the present phase so far."""
  try:
    return json.loads(_path(job.workdir).read_text()).get(str(job.run.phase), 0)
  except FileNotFoundError:
    return 0


def _remember(job: Job) -> None:
  if jax.process_index() == 0:
    checkpoint.write_json(_path(job.workdir), {str(job.run.phase): job.restarts})
