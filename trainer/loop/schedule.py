"""When a Gauss-Newton phase moves on to larger batches and when it is over; all its constants.

Nearly linear problems, such as algebraic metrics: a small batch takes a field that is far off
closer at little cost; what it can teach ends where the measure on the validation points stops
falling. Then the batch grows, and after the largest the phase is over.

Others bend too much for that: their steps are short, so batches stay small, momentum carries what
they teach from one to the next, and steps get shorter as time goes on, so that what batches differ
in averages out.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import parallel
from trainer.loop.job import Job
from trainer.optimizers.state import TrainState
from trainer.problem.linearise import Linearisation
from trainer.run.run import Run


class Rules(NamedTuple):
  """The constants of the schedule.

  Attributes:
    growth: a batch is this many times larger than the one before.
    first, lifted_first: the first batch of a problem of low rank has this many equations per
      unknown, and that of one which starts from the phase before.
    early: on batches with fewer equations than unknowns, but the last, iterative solvers take no
      more iterations: what they would find after that is the batch's own.
    lifted_damping: the first damping of a problem that bends little and starts from the phase
      before.
    network_batch: all batches of steps with momentum, and the first of others.
    decay: by how much steps with momentum get shorter: to 1 / (1 + decay) in the last.
    network_patience: they end early where the measure has not fallen for this part of their steps.
    enough: equations per unknown of a phase that a higher degree follows.
    fall, fall_early: the measure has to fall by this part, on the largest batch and on the others,
      ..
    patience, patience_small: .. within so many steps, on batches with more equations than unknowns
      and on those with fewer.
    converged, small, undamped: where E is what the linear model predicts, up to the part
      `converged`, and fell by less than the factor `small` in a step damped by less than
      `undamped`, that no limit of iterations ended, its minimum is reached.
    worth_a_step: fewer iterations of conjugate gradients are not worth a step.
    bent, steps_if_bent: where E is more than `bent` times what the linear model predicted, a second
      step is worth more than points: time is divided among so many.
    short: damping at which a step is much shorter than the undamped one.
    rough: tolerance of conjugate gradients before the last batch size.
    damping_floor, rounding_errors: the least damping; below so many rounding errors J J^T is not
      positive definite.
    chunk: equations worked on at once, at most: what lies between two matmuls stays in a
      processor's cache.
  """

  growth: int = 4
  first: float = 2
  lifted_first: float = 0.3
  early: int = 8
  lifted_damping: float = 1e-3
  network_batch: int = 1024
  decay: float = 4
  network_patience: float = 0.25
  enough: int = 10
  fall: float = 0.03
  fall_early: float = 0.25
  patience: int = 1
  patience_small: int = 10
  converged: float = 0.05
  small: float = 3
  undamped: float = 1e-3
  worth_a_step: int = 10
  bent: float = 2
  steps_if_bent: int = 2
  short: float = 0.2
  rough: float = 0.05
  damping_floor: float = 1e-9
  rounding_errors: float = 1e3
  chunk: int = 1024


RULES = Rules()


class Schedule(NamedTuple):
  """Where a phase stands.

  Attributes:
    level: () int32, which of the phase's batch sizes is in use; their number when it is over.
    stalled: () int32, steps since the measure on the validation points last fell to a new best.
    best_merit: () the best measure of this level.
    best: the parameters it was measured with.
  """

  level: jax.Array
  stalled: jax.Array
  best_merit: jax.Array
  best: Any


def start(params: Any) -> Schedule:
  """Before the first step, which goes on from `params`."""
  best_merit = jnp.asarray(jnp.inf, parallel.widest_dtype())
  return Schedule(jnp.int32(0), jnp.int32(0), best_merit, params)


def momentum(job: Job, linear: Linearisation) -> float:
  """The momentum of this phase's steps: none for problems that bend little."""
  return 0.0 if linear.nearly_linear else job.run.config.gauss_newton.momentum


def lifted(run: Run, linear: Linearisation) -> bool:
  """Whether the present phase goes on from what one before found and bends little."""
  return run.phase > 0 and linear.low_rank


def phase_points(job: Job, linear: Linearisation, unknowns: int) -> int:
  """Training points of this phase: all, or enough for its unknowns where a higher degree follows.

  Where something is worked out for every point beforehand and batches stay small, no more than the
  steps take.
  """
  points, settings = job.run.config.data.train_points, job.run.config.gauss_newton
  if job.run.problem.keep and momentum(job, linear):
    points = min(points, settings.steps * (settings.batch_size or RULES.network_batch))
  return min(points, RULES.enough * unknowns // linear.equations) if job.present.rough else points


def batch_sizes(job: Job, linear: Linearisation, unknowns: int) -> list[int]:
  """The sizes of the batches, from the first to all training points, over all devices."""
  settings, points = job.run.config.gauss_newton, phase_points(job, linear, unknowns)
  auto = RULES.network_batch
  if linear.low_rank:
    auto = int(RULES.first * unknowns / linear.equations)
    if lifted(job.run, linear):
      auto = min(int(RULES.lifted_first * unknowns / linear.equations), points // 2)
  size = settings.batch_size or auto
  if momentum(job, linear):
    return [round_size(min(size, points), job.mesh.size)]
  # Every size is a program to compile.
  if job.present.rough and not settings.batch_size:
    return [round_size(points, job.mesh.size)]
  if lifted(job.run, linear) and not settings.batch_size:
    return sorted({round_size(size, job.mesh.size) for size in (auto, points)})
  sizes = []
  while size <= points // 2:
    sizes.append(size)
    size *= RULES.growth
  return sorted({round_size(size, job.mesh.size) for size in (*sizes, points)})


def round_size(size: int, devices: int) -> int:
  """A little less than `size`: the same for 1, 2, 4, .. devices, and a multiple of `devices`.

  Seven binary digits followed by zeros, at least four: a device's points divide into equal chunks.
  """
  unit = 2 ** max(size.bit_length() - 7, 4)
  rounded = size // unit * unit
  return max(rounded // devices, 1) * devices


def next_step(
  job: Job, sizes: list[int], level: int, affordable: float, row: dict
) -> tuple[int, float]:
  """What there is time for: a batch of the planned size, or fewer points if time is short.

  Args:
    job: the run.
    sizes: of the batches.
    level: of the next step; the last one was on this level or on the one before.
    affordable: iterations times points that time is left for.
    row: metrics of the last step.

  Returns:
    The size of the batches, at least that of the last one, than which the next teach more; and how
    many iterations the step may take, 0 if none is worth taking.
  """
  worth = RULES.worth_a_step if row["iterations"] else 1
  steps = RULES.steps_if_bent if row["loss"] > RULES.bent * row["predicted_loss"] else 1
  size = sizes[level]
  if size > row["batch_size"]:
    enough = max(affordable / (steps * worth), row["batch_size"])
    size = round_size(int(min(size, enough)), job.mesh.size)
  iterations = affordable / size
  if iterations < worth:
    return size, 0
  return size, min(max(iterations / steps, worth), job.run.config.gauss_newton.iterations)


def is_over(job: Job, state: TrainState, levels: int) -> bool:
  """Whether no batch size is left, or no step."""
  taken = int(state.optimizer.taken)
  return int(state.schedule.level) >= levels or taken >= job.run.config.gauss_newton.steps


def judge(
  job: Job, state: TrainState, linear: Linearisation, row: dict, levels: int, unknowns: int
) -> TrainState:
  """Remembers the best parameters; moves on to larger batches where the measure no longer falls.

  Args:
    job: the run.
    state: after a step.
    linear: the problem's linearisation.
    row: the step's metrics and the measures on the validation points.
    levels: the number of batch sizes.
    unknowns: of the problem.

  Returns:
    The state, its schedule brought up to date.
  """
  schedule = state.schedule
  merit = row[job.run.problem.merit]
  level, best_merit = int(schedule.level), float(schedule.best_merit)
  steady = momentum(job, linear) > 0
  fall = 0.0 if steady else RULES.fall if level + 1 == levels else RULES.fall_early
  # Steps that had to be short are not the batch's fault.
  if level + 1 < levels and row["damping"] > RULES.short:
    fall = 0.0
  stalled = 0 if merit < (1 - fall) * best_merit else int(schedule.stalled) + 1
  # Conjugate gradients that were cut short are not at the minimum; phases that start close to it
  # are, by as much as their points teach.
  finished = lifted(job.run, linear) or row["iterations"] < job.run.config.gauss_newton.iterations
  converged = (
    linear.low_rank
    and finished
    and row["damping"] < RULES.undamped
    and row["loss"] < (1 + RULES.converged) * row["predicted_loss"]
    and row["loss_before"] < RULES.small * row["loss"]
  )
  if lifted(job.run, linear) and level + 1 < levels:
    # One step a batch: it is close to the minimum already, and the next batch knows more.
    patience = 0
  elif steady:
    patience = RULES.network_patience * job.run.config.gauss_newton.steps
  else:
    patience = RULES.patience
    if row["batch_size"] * linear.equations < unknowns:
      patience = RULES.patience_small
  if stalled >= patience or converged or not (row["accepted"] or steady):
    level, stalled = level + 1, 0
  # Copies, because a step donates its state.
  best = jax.tree.map(jnp.copy, state.params) if merit < best_merit else schedule.best
  # Larger batches go on from the best.
  params = state.params if level == int(schedule.level) else jax.tree.map(jnp.copy, best)
  level, stalled, best_merit = parallel.replicate(
    job.mesh,
    (
      np.int32(level),
      np.int32(stalled),
      np.asarray(min(merit, best_merit), schedule.best_merit.dtype),
    ),
  )
  return state._replace(params=params, schedule=Schedule(level, stalled, best_merit, best))
