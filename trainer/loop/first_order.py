"""Steps of an optax optimiser on shuffled minibatches."""

import time

import jax
import numpy as np
import orbax.checkpoint as ocp

from trainer.devices import parallel
from trainer.loop.job import Job, stop_if_nonfinite
from trainer.metric.losses import make_loss
from trainer.optimizers.first_order_step import TrainState, make_step, plan_memory
from trainer.points import batch as batches

_ADVICE = "lower config.optimizer.learning_rate or config.optimizer.clip_norm"


def train(job: Job, state: TrainState, manager: ocp.CheckpointManager) -> TrainState:
  """Trains until config.steps steps are done or the time is over.

  Args:
    job: the run, in a first-order phase.
    state: where it starts or goes on from.
    manager: the phase's checkpoints.

  Returns:
    The final state, which is saved.
  """
  run, config, mesh = job.run, job.run.config, job.mesh
  step = int(state.step)
  segments = job.segments(state, config.batch_size, config.data.train_points)
  loss = make_loss(**config.loss)
  plan = plan_memory(
    run.ansatz,
    loss,
    state.params,
    batches.abstract(run.variety, config.batch_size // mesh.size, run.dtype),
    job.memory,
  )
  job.progress.note(f"each device's part of a batch: {plan}")
  compiled_step = parallel.compile_step(
    make_step(run.ansatz, loss, run.optimizer, plan, config.matmul_precision), mesh, job.parallelism
  )
  evaluate = job.evaluator(state)
  job.progress.start(run.config.optimizer.name, config.steps)
  if step == 0:
    job.record(0, evaluate(state))

  losses, late = [], step > 0 and job.out_of_time()
  tick, tick_step = time.monotonic(), step
  while step < config.steps and not late:
    state, step_metrics = compiled_step(state, segments.of_step(step))
    step += 1
    losses.append(step_metrics["loss"])
    if step % config.log_every == 0:
      late = job.out_of_time()
    last = late or step == config.steps
    due = lambda every: step % every == 0 or last

    if due(config.log_every) or due(config.checkpoint_every):
      stop_if_nonfinite(state, _ADVICE)
    if due(config.log_every) or due(config.evaluate_every):
      mean_loss = float(np.mean(jax.device_get(losses)))
      now = time.monotonic()
      row = {
        "loss": mean_loss,
        "batch_sigma": float(step_metrics["sigma"]),
        "gradient_norm": float(step_metrics["gradient_norm"]),
        "points_per_second": (step - tick_step) * config.batch_size / (now - tick),
      }
      if due(config.evaluate_every):
        row |= evaluate(state)
      job.record(step, row)
      losses = []
      tick, tick_step = time.monotonic(), step
    if due(config.checkpoint_every):
      job.save(manager, state, force=last)
    if not last and manager.reached_preemption(step):
      stop_if_nonfinite(state, _ADVICE)
      job.stop_preempted(manager, state)
  segments.close()
  manager.wait_until_finished()
  return state
