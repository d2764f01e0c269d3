"""Gauss-Newton steps on batches that grow up to all training points, or with momentum on small ones.

Algebraic metrics: a small batch takes a metric that is far off closer at little cost; what it can teach ends where
sigma on the validation points stops falling. Then the batch grows, and after the largest the phase is over.

Other networks bend too much for that: their steps are short, so batches stay small, momentum carries what they teach
from one to the next, and steps get shorter as time goes on, so that what batches differ in averages out.
"""

import math
import time

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from trainer.devices import microbatch, parallel
from trainer.loop.job import Job, stop_if_nonfinite
from trainer.metric.ansatz import Ansatz
from trainer.metric.network_text import split_terms
from trainer.optimizers import solvers
from trainer.optimizers.first_order_step import TrainState
from trainer.optimizers.gauss_newton import make_gauss_newton_step
from trainer.optimizers.linearise import Linearisation, lazily, of_network
from trainer.optimizers.linearise_algebraic import of_sections
from trainer.optimizers.linearise_invariant import of_invariant_form
from trainer.points import batch as batches

# A batch is this many times larger than the one before.
_GROWTH = 4
# The first batch of an algebraic metric has this many points per unknown.
_FIRST = 2
# All batches of other networks, and by how much their steps get shorter: to 1 / (1 + _DECAY) in the last.
_NETWORK_BATCH, _DECAY = 1024, 4
# They end early where sigma has not fallen for this part of their steps.
_NETWORK_PATIENCE = 0.25
# Fewer points per unknown than this overfit: E on other points grows by about 1 + 2 unknowns / points.
_ENOUGH = 10
# sigma has to fall by this part, on the largest batch and on the others, ..
_FALL, _FALL_EARLY = 0.03, 0.25
# .. within so many steps, on batches with more points than unknowns and on those with fewer.
_PATIENCE, _PATIENCE_SMALL = 1, 10
# Where E is what the linear model predicts, up to this part, and fell by less than this factor in a step that was
# hardly damped, its minimum is reached.
_CONVERGED, _SMALL, _UNDAMPED = 0.05, 3, 1e-3
# Fewer iterations of conjugate gradients are not worth a step.
_WORTH_A_STEP = 10
# Damping at which a step is much shorter than the undamped one.
_SHORT = 0.2
# Tolerance of conjugate gradients before the last batch size.
_ROUGH = 0.05
# The least damping: below so many rounding errors J J^T is not positive definite.
_DAMPING_FLOOR, _ROUNDING_ERRORS = 1e-9, 1e3
# Points worked on at once, at most: what lies between two matmuls stays in a processor's cache.
_CHUNK = 1024


def train(job: Job, state: TrainState, manager: ocp.CheckpointManager) -> TrainState:
  """Trains until sigma on the validation points stops falling, or steps or time are over.

  Args:
    job: the run, in a Gauss-Newton phase.
    state: where it starts or goes on from.
    manager: the phase's checkpoints.

  Returns:
    The state with the best parameters, which is saved.
  """
  settings = job.run.config.gauss_newton
  sizes = batch_sizes(job, num_unknowns(state))
  evaluate = job.evaluator(state)
  first = int(state.step) - int(state.optimizer.taken)
  job.progress.start(_name(job), first + settings.steps)
  if int(state.step) == 0:
    job.record(0, evaluate(state))
  # Seconds an iteration of the solver takes for each point.
  level, cost = None, math.inf
  last = _over(state, settings, sizes) or bool(state.optimizer.taken) and job.out_of_time()
  segments = job.segments(state, sizes[-1], phase_points(job, num_unknowns(state)))
  while not last:
    if int(state.optimizer.level) != level:
      level = int(state.optimizer.level)
      segments.cut(sizes[level])
      step = compile_step(
        job, state, sizes[level], exact=not job.present.rough and level + 1 == len(sizes)
      )
    segment = segments.of_step(int(state.step))
    tick = time.monotonic()
    state, row = step(state, segment)
    row = {name: value.item() for name, value in jax.device_get(row).items()}
    stop_if_nonfinite(state, "raise config.gauss_newton.damping")
    row |= evaluate(state) | {
      "batch_size": sizes[level],
      "points_per_second": sizes[level] / (time.monotonic() - tick),
    }
    state = _judge(job, state, row, len(sizes))
    job.record(int(state.step), row)
    cost = min(cost, (time.monotonic() - tick) / (sizes[level] * max(row["iterations"], 1)))
    last = _over(state, settings, sizes)
    if not last:
      affordable = job.seconds_left() / (cost * sizes[int(state.optimizer.level)])
      last = affordable < (_WORTH_A_STEP if row["iterations"] else 1)
      state = state._replace(
        optimizer=state.optimizer._replace(
          iterations=parallel.replicate(job.mesh, jnp.int32(min(affordable, settings.iterations)))
        )
      )
    if last:
      state = state._replace(params=state.optimizer.best)
    elif manager.reached_preemption(int(state.step)):
      job.stop_preempted(manager, state)
    # A step takes seconds to minutes: every one is worth a checkpoint.
    job.save(manager, state, force=True)
  segments.close()
  manager.wait_until_finished()
  return state


def phase_points(job: Job, unknowns: int) -> int:
  """Training points of this phase: all, or enough for its unknowns where a higher degree follows.

  Of a sum of networks no more than its steps take: what they need of a point is worked out beforehand.
  """
  points, settings = job.run.config.data.train_points, job.run.config.gauss_newton
  if job.run.ansatz.base:
    points = min(points, settings.steps * (settings.batch_size or _NETWORK_BATCH))
  return min(points, _ENOUGH * unknowns) if job.present.rough else points


def batch_sizes(job: Job, unknowns: int) -> list[int]:
  """The sizes of the batches, from the first to all training points, over all devices."""
  settings, points = job.run.config.gauss_newton, phase_points(job, unknowns)
  auto = _FIRST * unknowns if job.run.ansatz.sections else _NETWORK_BATCH
  size = settings.batch_size or auto
  if momentum(job):
    return [round_size(min(size, points), job.mesh.size)]
  sizes = []
  while size <= points // 2:
    sizes.append(size)
    size *= _GROWTH
  if not job.present.rough and points < _ENOUGH * unknowns:
    job.progress.note(
      f"warning: {points:,} training points for {unknowns:,} unknowns, fewer than {_ENOUGH} each: "
      f"expect overfitting, or raise config.data.train_points to {_ENOUGH * unknowns:,}"
    )
  return sorted({round_size(size, job.mesh.size) for size in (*sizes, points)})


def momentum(job: Job) -> float:
  """The momentum of this phase's steps: none for metrics that bend as little as algebraic ones."""
  ansatz = job.run.ansatz
  return 0.0 if ansatz.sections or ansatz.invariant else job.run.config.gauss_newton.momentum


def round_size(size: int, devices: int) -> int:
  """A little less than `size`: the same for 1, 2, 4, .. devices, and a multiple of `devices`.

  Seven binary digits followed by zeros, at least four: the points of a device divide into equal chunks.
  """
  unit = 2 ** max(size.bit_length() - 7, 4)
  rounded = size // unit * unit
  return max(rounded // devices, 1) * devices


def num_unknowns(state: TrainState) -> int:
  """The number of parameters that this phase trains, log kappa included."""
  return state.optimizer.previous.size


def compile_step(job: Job, state: TrainState, batch_size: int, exact: bool):
  """The compiled step for batches of one size; says which solver it uses.

  Args:
    job: the run.
    state: a state of the phase, for its shapes.
    batch_size: points of a batch, over all devices.
    exact: whether iterative solvers go to the tolerance of the config; if not, to a rougher one.

  Returns:
    See trainer.devices.parallel.compile_step.
  """
  run, settings = job.run, job.run.config.gauss_newton
  unknowns = num_unknowns(state)
  local = batch_size // job.mesh.size
  name = settings.solver
  if name == "auto":
    name = solvers.choose(unknowns, batch_size, bool(run.ansatz.sections))
  linear = linearise(run.ansatz)
  kept = jax.eval_shape(
    lambda params, batch: linear.prepare(linear.at(params), batch),
    state.params,
    batches.abstract(run.variety, local, run.dtype),
  )
  size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(kept))
  if size > job.memory and name != "sample_space":
    linear = lazily(linear)
  chunk = max(size for size in range(1, _CHUNK + 1) if local % size == 0)
  plan = microbatch.Plan(local, chunk, 0, job.memory)
  job.progress.note(
    f"Gauss-Newton by {name}: {unknowns:,} unknowns, batches of {batch_size:,}, "
    f"{size / 2**20:,.0f} MiB a device for J" + (", recomputed" if size > job.memory else "")
  )
  tolerance = settings.tolerance if exact else max(settings.tolerance, _ROUGH)
  solver = solvers.make_solver(name, linear, plan, settings.iterations, tolerance)
  mu = momentum(job)
  floor = _DAMPING_FLOOR
  if name == "sample_space":
    floor = max(floor, _ROUNDING_ERRORS * float(jnp.finfo(run.dtype).eps))
  return parallel.compile_step(
    make_gauss_newton_step(linear, solver, plan, floor, mu, _DECAY / settings.steps if mu else 0.0),
    job.mesh,
    job.parallelism,
  )


def linearise(ansatz: Ansatz) -> Linearisation:
  """The linearisation that suits a metric."""
  if ansatz.sections:
    return of_sections(*ansatz.sections)
  return of_invariant_form(ansatz.invariant) if ansatz.invariant else of_network(ansatz)


def _judge(job: Job, state: TrainState, row: dict, levels: int) -> TrainState:
  """Remembers the best parameters and moves on to larger batches where sigma no longer falls."""
  optimizer = state.optimizer
  level, best_sigma = int(optimizer.level), float(optimizer.best_sigma)
  algebraic = job.run.ansatz.sections is not None
  steady = momentum(job) > 0
  fall = 0.0 if steady else _FALL if level + 1 == levels else _FALL_EARLY
  # Steps that had to be short are not the batch's fault.
  if level + 1 < levels and row["damping"] > _SHORT:
    fall = 0.0
  stalled = 0 if row["sigma"] < (1 - fall) * best_sigma else int(optimizer.stalled) + 1
  converged = (
    algebraic
    and row["damping"] < _UNDAMPED
    and row["loss"] < (1 + _CONVERGED) * row["predicted_loss"]
    and row["loss_before"] < _SMALL * row["loss"]
  )
  if steady:
    patience = _NETWORK_PATIENCE * job.run.config.gauss_newton.steps
  else:
    patience = _PATIENCE_SMALL if row["batch_size"] < num_unknowns(state) else _PATIENCE
  if stalled >= patience or converged or not (row["accepted"] or steady):
    level, stalled = level + 1, 0
  better = row["sigma"] < best_sigma
  best = jax.tree.map(jnp.copy, state.params) if better else optimizer.best
  # Larger batches go on from the best; a copy, because a step donates its state.
  params = state.params if level == int(optimizer.level) else jax.tree.map(jnp.copy, best)
  small = parallel.replicate(
    job.mesh,
    (
      jnp.int32(level),
      jnp.int32(stalled),
      jnp.asarray(min(row["sigma"], best_sigma), optimizer.best_sigma.dtype),
    ),
  )
  return state._replace(
    params=params,
    optimizer=optimizer._replace(level=small[0], stalled=small[1], best_sigma=small[2], best=best),
  )


def _over(state: TrainState, settings, sizes) -> bool:
  optimizer = state.optimizer
  return int(optimizer.level) >= len(sizes) or int(optimizer.taken) >= settings.steps


def _name(job: Job) -> str:
  return f"Gauss-Newton, {split_terms(job.present.network)[-1].partition('(')[0]}"
