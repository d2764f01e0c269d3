"""One Gauss-Newton step of a problem's residual, written for one device of the mesh.

The residual r_p = sqrt(w_p / sum w) (value_p - target_p) has E = |r|^2, the loss: a least-squares
problem in the parameters. A step solves its damped normal equations, tries the result, and raises
the damping until E falls as the linear model predicts (Levenberg 1944, Marquardt 1963). It goes
only as far as the field stays admissible wherever it was.

With momentum mu the damping pulls towards mu times the step before instead of zero,
  minimise |r + J delta|^2 + lambda |delta - mu delta_before|^2,
so that batches smaller than the number of unknowns do not undo one another's steps (Goldshlager,
Abrahamsen and Lin 2024, for wave functions). A step that is not accepted at once is solved again
without it: it cannot diverge.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from networks import precision
from trainer.devices import microbatch, parallel
from trainer.optimizers.solvers import Solver, System, per_row
from trainer.optimizers.state import TrainState, after_step, batch_of_step
from trainer.problem.linearise import Linearisation

# A step is good if E falls by at least this part of what the linear model predicts.
_ACCEPTED = 0.1
# A step at whose end the field is not admissible is halved, down to this part.
_SHORTEST = 1 / 8
# Dampings tried in one step before it is given up.
_TRIES = 8
# Beyond all eigenvalues of J^T J; larger ones would take long to come down from.
_DAMPING_CEILING = 1e4
# More iterations than any solver takes.
_UNLIMITED = 2**30


class GaussNewtonState(NamedTuple):
  """What Gauss-Newton keeps from step to step.

  Attributes:
    damping: () lambda, relative to the mean of diag J^T J.
    taken: () int32, steps of this phase.
    iterations: () int32, what time allows an iterative solver in the next step.
    previous: (P,) the step before, in the coordinates of its linearisation, for momentum; 0 where
      that was not accepted.
  """

  damping: jax.Array
  taken: jax.Array
  iterations: jax.Array
  previous: jax.Array


def init(trained: Any, damping: float) -> GaussNewtonState:
  """The state before the first step, of which the parameters `trained` are changed."""
  wide = parallel.widest_dtype()
  size = sum(leaf.size for leaf in jax.tree.leaves(trained))
  return GaussNewtonState(
    jnp.asarray(damping, wide), jnp.int32(0), jnp.int32(_UNLIMITED), jnp.zeros(size, wide)
  )


class _Trial(NamedTuple):
  flat: jax.Array
  delta: jax.Array
  energy: jax.Array
  damping: jax.Array
  accepted: jax.Array
  gain: jax.Array
  length: jax.Array
  predicted: jax.Array
  tries: jax.Array
  iterations: jax.Array


def make_gauss_newton_step(
  linear: Linearisation,
  solver: Solver,
  plan: microbatch.Plan,
  damping_floor: float,
  momentum: float = 0.0,
  decay: float = 0.0,
  admit: Callable[[Any], Any] = lambda params: params,
  matmul_precision: str = "float32",
) -> Callable[[TrainState, Any], tuple]:
  """Builds the per-device step.

  Args:
    linear: the linearisation of the problem.
    solver: see trainer.optimizers.solvers.
    plan: how a device's part of a batch is cut up where points are worked on one by one.
    damping_floor: the least damping.
    momentum: mu, 0 <= mu < 1.
    decay: steps are shortened to 1 / (1 + decay t), t the steps taken: what batches differ in
      averages out.
    admit: params -> the nearest ones that make sense, where steps end: Problem.admit.
    matmul_precision: of J, see networks.precision; residuals are exact.

  Returns:
    step(state, epoch) -> (state, metrics), as first_order_step.make_step's. metrics holds ()
    arrays: the loss E after the step, before it and as the linear model predicts it, batch_NAME
      before it
    for all that the problem watches, the new damping, gain (the decrease of E over the predicted
    one), length (the part of the solution that was taken), accepted, tries, iterations.
  """

  def step(state: TrainState, epoch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
    batch = batch_of_step(state, epoch)
    params = admit(state.params)
    flat, unravel = ravel_pytree(params)
    wide = parallel.widest_dtype()
    weight = batch.weight.astype(wide)
    share = weight / parallel.psum(jnp.sum(weight))

    def energy_of(rows):
      return parallel.psum(jnp.sum(per_row(share, rows) * jnp.square(rows)))

    def measure(flat):
      """E, and whether the field is admissible at each point."""

      def at_rows(rows):
        residual = linear.residual(unravel(flat), rows)
        return residual.rows(wide), residual.admissible

      rows, admissible = microbatch.apply(at_rows, batch, plan)
      return energy_of(rows), admissible

    def admitted(moved):
      """The nearest parameters (P,) that make sense."""
      return ravel_pytree(admit(unravel(moved)))[0]

    at = linear.at(params)

    def begin(rows):
      residual = None if linear.together else linear.residual(params, rows)
      with precision.matmuls(matmul_precision):
        if linear.together:
          residual, prepared = linear.together(at, rows)
        else:
          prepared = linear.prepare(at, rows)
      return residual.rows(wide), residual.admissible, residual.watched, prepared

    rows, admissible_before, watched, prepared = microbatch.apply(begin, batch, plan)
    energy = energy_of(rows)
    watched = parallel.psum(jax.tree.map(lambda a: jnp.sum(share * a), watched))
    scale = jnp.sqrt(share)
    residual = per_row(scale, rows) * rows
    with precision.matmuls(matmul_precision):
      normal = solver.prepare(System(at, prepared, scale))
    length = jnp.asarray(1 / (1 + decay * state.optimizer.taken), wide)
    pull = momentum * state.optimizer.previous
    pulled = (
      per_row(scale, rows)
      * microbatch.apply(lambda rows: linear.apply(at, rows, pull), prepared, plan)
      if momentum
      else pull
    )

    def attempt(trial: _Trial) -> _Trial:
      first = jnp.where(trial.tries == 0, 1, 0)
      target = residual + first * pulled if momentum else residual
      with precision.matmuls(matmul_precision):
        solution = solver.solve(normal, target, trial.damping, state.optimizer.iterations)
      delta = first * pull + solution.delta
      way = _as_far_as_admissible(
        measure,
        admitted,
        flat,
        linear.unfold(at, delta),
        length,
        (share > 0) & admissible_before,
      )
      part, moved, moved_energy, spoiled, _ = way
      shortened = part < length
      # The solver's decrease counts from the end of the pull; a part of the way to a minimum gains
      # 1 - (1 - part)^2.
      decrease = energy - parallel.psum(jnp.vdot(target, target)) + solution.decrease
      decrease = part * (2 - part) * decrease
      gain = (energy - moved_energy) / decrease
      gain, decrease = parallel.first((gain, decrease))
      accepted = ~spoiled & (gain > _ACCEPTED) & (decrease > 0) & jnp.isfinite(moved_energy)
      factor = _damping_factor(trial.damping, gain, accepted, shortened, momentum)
      return _Trial(
        jnp.where(accepted, moved, trial.flat),
        jnp.where(accepted, part / length * delta, trial.delta),
        jnp.where(accepted, moved_energy, energy),
        jnp.clip(trial.damping * factor, damping_floor, _DAMPING_CEILING),
        accepted,
        gain,
        part,
        energy - decrease,
        trial.tries + 1,
        trial.iterations + solution.iterations,
      )

    start = _Trial(
      flat,
      jnp.zeros_like(pull),
      energy,
      state.optimizer.damping,
      jnp.asarray(False),
      jnp.zeros_like(energy),
      jnp.zeros_like(length),
      energy,
      jnp.int32(0),
      jnp.int32(0),
    )
    with jax.named_scope("per tries"):
      trial = jax.lax.while_loop(
        lambda trial: ~trial.accepted & (trial.tries < _TRIES), attempt, start
      )
    # Devices do not drift apart.
    trial = trial._replace(**parallel.first({"flat": trial.flat, "delta": trial.delta}))
    metrics = {
      "loss": trial.energy,
      "loss_before": energy,
      "predicted_loss": trial.predicted,
      **{f"batch_{name}": mean for name, mean in watched.items()},
      "damping": trial.damping,
      "gain": trial.gain,
      "length": trial.length,
      "accepted": trial.accepted,
      "tries": trial.tries,
      "iterations": trial.iterations,
    }
    counted = state.optimizer._replace(taken=state.optimizer.taken + 1)
    optimizer = counted._replace(damping=trial.damping, previous=trial.delta)
    counted = state._replace(optimizer=counted)
    return after_step(counted, unravel(trial.flat), optimizer, energy), metrics

  def precise_step(state: TrainState, epoch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
    # Least squares need all digits of their matmuls, which accelerators round unless asked not to.
    with jax.default_matmul_precision("highest"):
      return step(state, epoch)

  return precise_step


class _Way(NamedTuple):
  """Where a step has come to; `mended`: it was moved to what makes sense, and not measured yet."""

  part: jax.Array
  moved: jax.Array
  energy: jax.Array
  spoiled: jax.Array
  mended: jax.Array


def _as_far_as_admissible(measure, admitted, flat, change, length, admissible_before) -> _Way:
  """Goes a step, or less of it where the field would be spoiled: its direction may still be good.

  Only what is left of it is mended: a step that leads far off comes back to the brink everywhere.

  Args:
    measure: parameters -> (E, whether the field is admissible at each point).
    admitted: parameters -> the nearest ones that make sense.
    flat: (P,) the parameters.
    change: (P,) a whole step.
    length: the part of it to go.
    admissible_before: (B,) the points that count. A new batch may hold some where the field is not
      admissible yet, which must not stop all steps.

  Returns:
    How much of the step, the parameters there, E, and whether a point was spoiled before mending.
  """
  shorter = lambda way: way.spoiled & (way.part > _SHORTEST * length)

  def go(way):
    """Half the way, or what was mended at its end; `measure` is compiled once."""
    part = jnp.where(way.mended, way.part, way.part / 2)
    moved = jnp.where(way.mended, way.moved, (flat + part * change).astype(flat.dtype))
    energy, admissible = measure(moved)
    spoiled = parallel.psum(jnp.sum(admissible_before & ~admissible)) > 0
    here = _Way(
      part, moved, energy, jnp.where(way.mended, way.spoiled, spoiled), jnp.asarray(False)
    )
    ends = ~way.mended & ~shorter(here)
    after = jax.lax.cond(ends, admitted, lambda moved: moved, moved)
    return here._replace(moved=after, mended=ends & parallel.first(jnp.any(after != moved)))

  start = _Way(2 * length, flat, jnp.zeros_like(length), jnp.asarray(True), jnp.asarray(False))
  return jax.lax.while_loop(lambda way: way.mended | shorter(way), go, start)


def _damping_factor(
  damping: jax.Array, gain: jax.Array, accepted: jax.Array, shortened: jax.Array, momentum: float
) -> jax.Array:
  """How lambda changes after a trial: down where the model is good or lambda is large, else up."""
  # A step that is refused costs the momentum: lambda goes down with more care.
  down = 0.5 if momentum else 0.15
  # Steps that are short at a large lambda gain less than predicted by rounding errors alone.
  good = ((gain > 0.75) | (gain > 0.35) & (damping > 1)) & ~shortened
  factor = jnp.where(good, down, jnp.where(gain < 0.35, 2.0, 1.0))
  return jnp.where(accepted, factor, 6.0)
