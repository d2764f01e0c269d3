"""Steps of an optax optimiser on shuffled minibatches."""

import math
import time
from typing import Any

import jax
import numpy as np

from trainer.devices import work
from trainer.devices.meter import Meter
from trainer.loop.job import Job, is_skipping
from trainer.optimizers.first_order import make_optimizer
from trainer.optimizers.first_order_step import make_step, plan_memory
from trainer.optimizers.state import TrainState
from trainer.run.checkpoints import Checkpoints
from trainer.run.run import Run

ADVICE = "lower config.optimizer.learning_rate or config.optimizer.clip_norm"
# The rate is divided by it at every restart.
_CAUTION = 10.0


def start(run: Run, params: Any) -> tuple[Any, tuple]:
  """The optimiser's state at the beginning of a phase, and the loop's, which has none."""
  return _optimizer(run).init(run.problem.trained(params)), ()


def careful(state: TrainState) -> TrainState:
  """The state to start again from: the rate is smaller, which is no part of it."""
  return state


def _optimizer(run, restarts=0):
  settings = run.config.optimizer.to_dict()
  settings["learning_rate"] *= _CAUTION**-restarts
  return make_optimizer(**settings, num_steps=run.config.steps)


def train(job: Job, state: TrainState, saved: Checkpoints) -> TrainState:
  """Trains until config.steps steps are done or the time is over.

  Args:
    job: the run, in a first-order phase.
    state: where it starts or goes on from.
    saved: the phase's checkpoints.

  Returns:
    The final state, which is saved.
  """
  run, config, mesh = job.run, job.run.config, job.mesh
  step = int(state.step)
  segments = job.segments(state, config.batch_size, config.data.train_points)
  points = run.problem.abstract_points(config.batch_size // mesh.size, run.dtype)
  plan = plan_memory(run.problem, state.params, points, job.memory)
  job.progress.note(f"each device's part of a batch: {plan}")
  optimizer = _optimizer(run, job.restarts)
  job.progress.stage("compiling what is measured")
  evaluate = job.evaluator(state)
  job.progress.start(config.optimizer.name, config.steps, run.problem.merit)
  if step == 0:
    job.record(0, evaluate(state))
  job.progress.stage("compiling a step")
  compiled_step, found = work.compile_step(
    make_step(run.problem, optimizer, plan, config.matmul_precision),
    mesh,
    job.parallelism,
    state,
    segments.of_step(step),
  )
  meter = Meter(found, mesh)

  losses, late = [], step > 0 and job.out_of_time()
  tick, tick_step = time.monotonic(), step
  while step < config.steps and not late:
    job.trace(step)
    state, step_metrics = compiled_step(state, segments.of_step(step))
    step += 1
    losses.append(step_metrics["loss"])
    if step % config.log_every == 0:
      late = job.out_of_time()
    last = late or step == config.steps
    due = lambda every: step % every == 0 or last

    if due(config.log_every) or due(config.checkpoint_every):
      skipping = is_skipping(state, last)
    if due(config.log_every) or due(config.evaluate_every):
      found = np.asarray(jax.device_get(losses))
      finite = np.isfinite(found)
      steps, seconds = step - tick_step, time.monotonic() - tick
      row = {name: float(value) for name, value in step_metrics.items()} | {
        "loss": float(np.mean(found[finite])) if finite.any() else math.nan,
        "skipped": int(np.sum(~finite)),
        "points_per_second": steps * config.batch_size / seconds,
        **meter.row(seconds, {"": steps}),
      }
      if due(config.evaluate_every):
        row |= evaluate(state)
      job.record(step, row)
      losses = []
      tick, tick_step = time.monotonic(), step
    if due(config.checkpoint_every) and not skipping:
      job.save(saved, state, force=last, last=last)
    if not last and saved.reached_preemption(step):
      job.stop_preempted(saved, state)
  job.trace(step, last=True)
  segments.close()
  return state
