"""The state a phase starts with, and the latest that a workdir holds."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainer.loop import first_order, gauss_newton
from trainer.optimizers.state import TrainState, new_state
from trainer.run import checkpoints
from trainer.run.phases import FIRST_ORDER
from trainer.run.run import Run


def loop_of(run: Run):
  """The present phase's loop: a module with start(run, params) and train(job, state, saved)."""
  return first_order if run.present.optimizer == FIRST_ORDER else gauss_newton


def first_params(run: Run, mean_weight: float = 1.0) -> Any:
  """The parameters that the problem of the present phase starts from by itself.

  Args:
    run: the run.
    mean_weight: the mean weight of some points.
  """
  params = run.problem.init(jax.random.key(run.seed), mean_weight)
  return jax.tree.map(lambda a: a.astype(run.dtype), params)


def enter_state(run: Run, params: Any, step: jax.Array) -> TrainState:
  """The state of the present phase at its beginning, after `step` steps of those before."""
  return new_state(step, params, *loop_of(run).start(run, params))


def first_state(run: Run, mean_weight: float = 1.0) -> TrainState:
  """The state of the present phase at the problem's own first parameters; see first_params."""
  return enter_state(run, first_params(run, mean_weight), jnp.int32(0))


def next_state(run: Run, state: TrainState, following: Run) -> TrainState:
  """The state `following`, the run in its next phase, starts with, from the final one of `run`."""
  on_host = lambda tree: jax.tree.map(np.asarray, tree)
  params = following.problem.inherit(
    run.problem, on_host(state.params), on_host(first_params(following))
  )
  return enter_state(following, params, state.step)


def load_state(run: Run, workdir: pathlib.Path) -> TrainState:
  """Reads the latest checkpoint of the present phase; UserError if there is none that fits."""
  with (
    checkpoints.quietly(),
    checkpoints.Checkpoints(workdir, run.phase, 1, read_only=True) as saved,
  ):
    return saved.restore(first_state(run))
