"""Gauss-Newton on batches that grow to all training points, or with momentum on small ones."""

from collections.abc import Callable
import math
import time
from typing import Any

import jax
import jax.numpy as jnp

from networks import precision
from trainer.devices import compiling, microbatch, parallel, work
from trainer.devices.meter import Meter
from trainer.loop import schedule
from trainer.loop.job import Job, is_skipping
from trainer.loop.schedule import RULES, Schedule
from trainer.optimizers import gauss_newton, solvers
from trainer.optimizers.gauss_newton import GaussNewtonState
from trainer.optimizers.state import TrainState
from trainer.problem.linearise import Linearisation, lazily
from trainer.problem.network_text import split_terms
from trainer.run.checkpoints import Checkpoints
from trainer.run.run import Run

ADVICE = "raise config.gauss_newton.damping, or take a network that is smooth everywhere"
# The damping grows by it at every restart.
_CAUTION = 100.0


def start(run: Run, params: Any) -> tuple[GaussNewtonState, Schedule]:
  """The optimiser's state at the beginning of a phase, and the loop's."""
  trained = run.problem.trained(params)
  damping = run.config.gauss_newton.damping
  if schedule.lifted(run, run.problem.linearise()):
    damping = min(damping, RULES.lifted_damping)
  return gauss_newton.init(trained, damping), schedule.start(params)


def careful(state: TrainState) -> TrainState:
  """The state to start again from: its steps will be shorter."""
  damping = state.optimizer.damping * _CAUTION
  return state._replace(optimizer=state.optimizer._replace(damping=damping))


def train(job: Job, state: TrainState, saved: Checkpoints) -> TrainState:
  """Trains until the measure on the validation points stops falling, or steps or time are over.

  Args:
    job: the run, in a Gauss-Newton phase.
    state: where it starts or goes on from.
    saved: the phase's checkpoints.

  Returns:
    The state with the best parameters, which is saved.
  """
  problem, settings = job.run.problem, job.run.config.gauss_newton
  linear, unknowns = problem.linearise(), num_unknowns(state)
  sizes = schedule.batch_sizes(job, linear, unknowns)
  job.progress.stage("compiling what is measured")
  evaluate = job.evaluator(state)
  first = int(state.step) - int(state.optimizer.taken)
  job.progress.start(_name(job), first + settings.steps, problem.merit)
  if int(state.step) == 0:
    job.record(0, evaluate(state))
  # Seconds an iteration of the solver takes for each point, and those that compiling a step takes.
  level, cost, to_compile = None, math.inf, 0.0
  last = schedule.is_over(job, state, len(sizes))
  last = last or bool(state.optimizer.taken) and job.out_of_time()
  num_points = schedule.phase_points(job, linear, unknowns)
  segments = job.segments(state, sizes[-1], num_points, linear.keep)
  while not last:
    larger = int(state.schedule.level) != level
    if larger:
      level = int(state.schedule.level)
      segments.cut(sizes[level])
    segment = segments.of_step(int(state.step))
    tick = time.monotonic()
    if larger:
      exact = not job.present.rough and level + 1 == len(sizes)
      step, meter = compile_step(job, state, segment, linear, sizes[level], exact)
      to_compile, tick = time.monotonic() - tick, time.monotonic()
    job.trace(int(state.step))
    state, row = step(state, segment)
    row = {name: value.item() for name, value in jax.device_get(row).items()}
    seconds = time.monotonic() - tick
    row |= meter.row(seconds, {"": 1} | row) | {"points_per_second": sizes[level] / seconds}
    skipping = is_skipping(state, int(state.optimizer.taken) == settings.steps)
    row |= {"batch_size": sizes[level], "skipped": int(skipping)}
    if not skipping:
      row |= evaluate(state)
      row = parallel.of_first_process(row)  # What follows is decided by it.
      state = schedule.judge(job, state, linear, row, len(sizes), unknowns)
    job.record(int(state.step), row)
    cost = min(cost, (time.monotonic() - tick) / (sizes[level] * max(row["iterations"], 1)))
    last = schedule.is_over(job, state, len(sizes))
    if not last:
      following = int(state.schedule.level)
      left = job.seconds_left() - (following != level) * to_compile
      affordable = parallel.of_first_process(left / cost)
      sizes[following], allowed = schedule.next_step(job, sizes, following, affordable, row)
      last = not allowed
      state = _allow(job, state, allowed)
    if last:
      state = state._replace(params=state.schedule.best)
    elif saved.reached_preemption(int(state.step)):
      job.stop_preempted(saved, state)
    if not skipping or last:
      # A step takes seconds to minutes: every one is worth a checkpoint.
      job.save(saved, state, force=True, last=last)
  job.trace(int(state.step), last=True)
  segments.close()
  return state


def num_unknowns(state: TrainState) -> int:
  """The number of parameters that this phase trains."""
  return state.optimizer.previous.size


def compile_step(
  job: Job, state: TrainState, segment: Any, linear: Linearisation, batch_size: int, exact: bool
) -> tuple[Callable, Meter]:
  """The compiled step for batches of one size; says which solver it uses.

  Args:
    job: the run.
    state: a state of the phase, for its shapes.
    segment: batches, laid out, for theirs.
    linear: the problem's linearisation.
    batch_size: points of a batch, over all devices.
    exact: whether iterative solvers go to the tolerance of the config; if not, to a rougher one.

  Returns:
    See trainer.devices.parallel.compile_step; and what tells how fast it is.
  """
  run, settings = job.run, job.run.config.gauss_newton
  unknowns = num_unknowns(state)
  local = batch_size // job.mesh.size
  name = settings.solver
  if name == "auto":
    name = solvers.choose(unknowns, batch_size * linear.equations, linear.low_rank)
  with precision.matmuls(run.config.matmul_precision):
    kept = jax.eval_shape(
      lambda params, batch: linear.prepare(linear.at(params), batch),
      state.params,
      run.problem.abstract_points(local, run.dtype),
    )
  size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(kept))
  if size > job.memory and name != "sample_space":
    linear = lazily(linear)
  most = RULES.chunk // linear.equations
  chunk = max(size for size in range(1, most + 1) if local % size == 0)
  plan = microbatch.Plan(local, chunk, 0, job.memory)
  job.progress.note(
    f"Gauss-Newton by {name}: {unknowns:,} unknowns, batches of {batch_size:,}, "
    f"{size / 2**20:,.0f} MiB a device for J" + (", recomputed" if size > job.memory else "")
  )
  job.progress.stage("compiling a step")
  tolerance = settings.tolerance if exact else max(settings.tolerance, RULES.rough)
  iterations = settings.iterations
  if linear.low_rank and not exact and batch_size * linear.equations < unknowns:
    iterations = min(iterations, RULES.early)
  solver = solvers.make_solver(name, linear, plan, iterations, tolerance)
  mu = schedule.momentum(job, linear)
  floor = RULES.damping_floor
  if name == "sample_space":
    floor = max(floor, RULES.rounding_errors * float(jnp.finfo(run.dtype).eps))
  decay = RULES.decay / settings.steps if mu else 0.0
  step = gauss_newton.make_gauss_newton_step(
    linear, solver, plan, floor, mu, decay, run.problem.admit, run.config.matmul_precision
  )
  level = compiling.FASTEST if linear.low_rank else None  # They are products of matrices.
  compiled, found = work.compile_step(step, job.mesh, job.parallelism, state, segment, level)
  return compiled, Meter(found, job.mesh)


def _allow(job: Job, state: TrainState, iterations: float) -> TrainState:
  """The state that lets an iterative solver take no more iterations in the next step."""
  allowed = parallel.replicate(job.mesh, jnp.int32(iterations))
  return state._replace(optimizer=state.optimizer._replace(iterations=allowed))


def _name(job: Job) -> str:
  return f"Gauss-Newton, {split_terms(job.present.network)[-1].partition('(')[0]}"
