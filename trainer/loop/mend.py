"""Before a field is certified: places where it does not make sense are searched for and mended.

They go back into training, with their neighbourhood, a bounded number of times. If there still are
some, only so much of the last correction is left that there are none.
"""

import jax
import numpy as np

from trainer.certificate import search
from trainer.devices import parallel
from trainer.loop import recover
from trainer.loop import state as states
from trainer.loop.job import Job
from trainer.optimizers.state import TrainState
from trainer.points import dataset
from trainer.problem.evaluation import Evaluator
from trainer.run import mending
from trainer.run.checkpoints import Checkpoints
from trainer.run.mending import Mending
from trainer.run.phases import GAUSS_NEWTON
from trainer.run.run import Run

_ROUNDS = 2
# Of the phase's steps, each time.
_PART = 1 / 4
# Shares are tried until none is left.
_TRIES = 6
# Of the share at which the worst place would be on the brink.
_MARGIN = 0.8


def mend(job: Job, state: TrainState, bad: np.ndarray) -> tuple[Run, TrainState]:
  """Repairs a trained field where it does not make sense.

  Args:
    job: the run, its last phase done.
    state: its final state.
    bad: (K, N) complex, places where the field does not make sense, at least one.

  Returns:
    The run, with a problem of a smaller share if need be, and its state, on the host.
  """
  done = job.mending or Mending()
  while len(bad):
    job.progress.note(f"not {job.run.problem.sensible[1]} at {len(bad)} places between the points")
    if done.rounds == _ROUNDS or job.present.optimizer != GAUSS_NEWTON or job.out_of_time():
      break
    done = Mending(np.array([*done.places, *bad]), done.rounds + 1)
    job = _remember(job, done)
    with Checkpoints(job.workdir, job.run.phase, 1) as saved:
      again = states.enter_state(job.run, jax.device_get(state.params), np.asarray(state.step))
      again = parallel.replicate(job.mesh, again)
      state = recover.train(_briefly(job), again, saved)
    job.progress.close()
    bad = _bad_places(job, job.run, state)
  run = job.run
  if len(bad):
    run = _shrink(job, state, bad)
    _remember(job, done._replace(share=run.share))
    job.progress.note(f"{run.share:.3g} of the last correction is left")
  return run, parallel.globalise(state, job.mesh)


def _briefly(job: Job) -> Job:
  """The job with fewer steps: what was learned is bent, not learned again."""
  config = job.run.config.copy_and_resolve_references()
  config.gauss_newton.steps = max(1, round(_PART * config.gauss_newton.steps))
  return job._replace(run=job.run._replace(config=config))


def _remember(job: Job, done: Mending) -> Job:
  if jax.process_index() == 0:
    mending.write(job.workdir, done)
  return job._replace(mending=done)


def _bad_places(job: Job, run: Run, state: TrainState) -> np.ndarray:
  """(K, N) where the field does not make sense, found from the validation points."""
  problem, dtype = run.problem, parallel.widest_dtype()
  params = jax.tree.map(lambda a: np.asarray(a, dtype), jax.device_get(state.params))
  source = problem.source("validation", run.seed, job.data_dir, job.mesh, dtype)
  points = dataset.load(source, job.validation.num_points)
  values = Evaluator(problem.values, job.mesh, job.memory)(params, points.batch, points.num_points)
  places = search.worst_places(problem, params, points, values, job.mesh, job.memory, dtype)
  return search.where_not(problem, places)


def _shrink(job: Job, state: TrainState, bad: np.ndarray) -> Run:
  """The run with the largest share found, of some tried, at which no place is bad."""
  share, run = 1.0, job.run
  for _ in range(_TRIES):
    share *= _MARGIN * _brink(job, run, state, bad)
    run = job.run.shrunk(share)
    bad = _bad_places(job, run, state)
    if not len(bad):
      return run
  return job.run.shrunk(0.0)


def _brink(job: Job, run: Run, state: TrainState, bad: np.ndarray) -> float:
  """The share of the present correction up to which the field makes sense at all these places.

  The least eigenvalue is concave in the share: it is positive before the line between its ends is.
  """
  dtype = parallel.widest_dtype()
  mesh = parallel.make_mesh(jax.local_devices()[:1])
  params = jax.tree.map(lambda a: np.asarray(a, dtype), jax.device_get(state.params))
  batch = dataset.prepare_on_host(run.problem.variety, bad, np.ones(len(bad)), dtype, len(bad))
  batch = parallel.shard_rows(mesh, batch, len(bad))
  name, _ = run.problem.sensible

  def least(problem):
    values = Evaluator(problem.values, mesh, job.memory)(params, batch, len(bad))
    return problem.extremes(values, values)[name]

  start, end = least(run.problem.shrunk(0.0)), least(run.problem)
  if np.min(start) <= 0:
    return 0.0
  return float(np.min(start / (start - end)))
