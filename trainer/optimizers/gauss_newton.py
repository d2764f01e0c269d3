"""One Gauss-Newton step of the Monge-Ampere residual, written for one device of the mesh.

The residual r_p = sqrt(w_p / sum w) (eta_p - 1) has E = < (eta - 1)^2 > = |r|^2: a least-squares problem in the
parameters and log kappa. A step solves its damped normal equations, tries the result, and raises the damping until
E falls as the linear model predicts (Levenberg 1944, Marquardt 1963). It goes only as far as g stays positive definite
wherever it was.

With momentum mu the damping pulls towards mu times the step before instead of zero,
  minimise |r + J delta|^2 + lambda |delta - mu delta_before|^2,
so that batches smaller than the number of unknowns do not undo one another's steps (Goldshlager, Abrahamsen and
Lin 2024, for wave functions). A step that is not accepted at once is solved again without it: it cannot diverge.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from trainer.devices import microbatch, parallel
from trainer.optimizers.first_order_step import TrainState
from trainer.optimizers.linearise import Linearisation
from trainer.optimizers.solvers import Solver, System
from trainer.points.batch import Batch

# A step is good if E falls by at least this part of what the linear model predicts.
_ACCEPTED = 0.1
# A step at whose end g is not positive definite is halved, down to this part.
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
    previous: (P,) the step before, in the coordinates of its linearisation, for momentum; 0 where that was not
      accepted.
    level: () int32, which of the phase's batch sizes is in use; their number when the phase is over.
    stalled: () int32, steps since validation sigma last fell to a new best.
    best_sigma: () the best validation sigma of this level.
    best: the parameters it was measured with.
  """

  damping: jax.Array
  taken: jax.Array
  iterations: jax.Array
  previous: jax.Array
  level: jax.Array
  stalled: jax.Array
  best_sigma: jax.Array
  best: Any


def init(trained: Any, params: Any, damping: float) -> GaussNewtonState:
  """The state before the first step from `params`, of which the part `trained` changes."""
  wide = parallel.widest_dtype()
  size = sum(leaf.size for leaf in jax.tree.leaves(trained))
  return GaussNewtonState(
    jnp.asarray(damping, wide),
    jnp.int32(0),
    jnp.int32(_UNLIMITED),
    jnp.zeros(size, wide),
    jnp.int32(0),
    jnp.int32(0),
    jnp.asarray(jnp.inf, wide),
    params,
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
) -> Callable[[TrainState, Batch], tuple]:
  """Builds the per-device step.

  Args:
    linear: the linearisation of the metric.
    solver: see trainer.optimizers.solvers.
    plan: how a device's part of a batch is cut up where points are worked on one by one.
    damping_floor: the least damping.
    momentum: mu, 0 <= mu < 1.
    decay: steps are shortened to 1 / (1 + decay t), t the steps taken: what batches differ in averages out.

  Returns:
    step(state, epoch) -> (state, metrics), as trainer.optimizers.first_order_step.make_step's. metrics holds () arrays: the loss E after
    the step, before it and as the linear model predicts it, the batch's sigma before, the new damping, gain (the
    decrease of E over the predicted one), length (the part of the solution that was taken), accepted, tries,
    iterations.
  """

  def step(state: TrainState, epoch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
    chex.assert_rank(epoch.x, 3)
    index = state.step % epoch.x.shape[0]
    batch = jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, index, keepdims=False), epoch)
    flat, unravel = ravel_pytree(state.params)
    wide = parallel.widest_dtype()
    weight = batch.weight.astype(wide)
    share = weight / parallel.psum(jnp.sum(weight))

    def measure(flat):
      """eta, E, sigma, and whether g is positive at each point."""
      eta, positive = microbatch.apply(lambda rows: linear.eta(unravel(flat), rows), batch, plan)
      eta = eta.astype(wide)
      energy, sigma = parallel.psum(
        (jnp.sum(share * jnp.square(eta - 1)), jnp.sum(share * jnp.abs(eta - 1)))
      )
      return eta, energy, sigma, positive

    eta, energy, sigma, positive_before = measure(flat)
    scale = jnp.sqrt(share)
    residual = scale * (eta - 1)
    at = linear.at(state.params)
    prepared = microbatch.apply(lambda rows: linear.prepare(at, rows), batch, plan)
    normal = solver.prepare(System(at, prepared, scale))
    length = jnp.asarray(1 / (1 + decay * state.optimizer.taken), wide)
    pull = momentum * state.optimizer.previous
    pulled = (
      scale * microbatch.apply(lambda rows: linear.apply(at, rows, pull), prepared, plan)
      if momentum
      else pull
    )

    def attempt(trial: _Trial) -> _Trial:
      first = jnp.where(trial.tries == 0, 1, 0)
      target = residual + first * pulled if momentum else residual
      solution = solver.solve(normal, target, trial.damping, state.optimizer.iterations)
      delta = first * pull + solution.delta
      part, moved, moved_energy, spoiled = _as_far_as_positive(
        measure, flat, linear.unfold(at, delta), length, (share > 0) & positive_before
      )
      shortened = part < length
      # The solver's decrease counts from the end of the pull; a part of the way to a minimum gains 1 - (1 - part)^2.
      decrease = energy - parallel.psum(target @ target) + solution.decrease
      decrease = part * (2 - part) * decrease
      gain = (energy - moved_energy) / decrease
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
    trial = jax.lax.while_loop(
      lambda trial: ~trial.accepted & (trial.tries < _TRIES), attempt, start
    )
    bad = (state.nonfinite_step < 0) & ~jnp.isfinite(energy)
    metrics = {
      "loss": trial.energy,
      "loss_before": energy,
      "predicted_loss": trial.predicted,
      "batch_sigma": sigma,
      "damping": trial.damping,
      "gain": trial.gain,
      "length": trial.length,
      "accepted": trial.accepted,
      "tries": trial.tries,
      "iterations": trial.iterations,
    }
    return TrainState(
      state.step + 1,
      unravel(trial.flat),
      state.optimizer._replace(
        damping=trial.damping, taken=state.optimizer.taken + 1, previous=trial.delta
      ),
      jnp.where(bad, state.step + 1, state.nonfinite_step),
    ), metrics

  def precise_step(state: TrainState, epoch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
    # Least squares need all digits of their matmuls, which accelerators round unless asked not to.
    with jax.default_matmul_precision("highest"):
      return step(state, epoch)

  return precise_step


def _as_far_as_positive(measure, flat, change, length, positive_before):
  """Goes a step, or less of it where g would not stay positive definite: its direction may still be good.

  Args:
    measure: parameters -> (.., E, .., whether g is positive definite at each point).
    flat: (P,) the parameters.
    change: (P,) a whole step.
    length: the part of it to go.
    positive_before: (B,) the points that count. A new batch may hold some where g is not positive definite yet, which
      must not stop all steps.

  Returns:
    How much of the step, the parameters there, E, and whether g is spoiled at a point even so.
  """

  def half(way):
    part = way[0] / 2
    moved = (flat + part * change).astype(flat.dtype)
    _, energy, _, positive = measure(moved)
    spoiled = jnp.any(positive_before & ~positive).astype(jnp.int32)
    return part, moved, energy, parallel.psum(spoiled) > 0

  return jax.lax.while_loop(
    lambda way: way[3] & (way[0] > _SHORTEST * length),
    half,
    (2 * length, flat, jnp.zeros_like(length), jnp.asarray(True)),
  )


def _damping_factor(
  damping: jax.Array, gain: jax.Array, accepted: jax.Array, shortened: jax.Array, momentum: float
) -> jax.Array:
  """How lambda changes after a trial: down where the model is good or lambda is large, up where it is not."""
  # A step that is refused costs the momentum: lambda goes down with more care.
  down = 0.5 if momentum else 0.15
  # Steps that are short at a large lambda gain less than predicted by rounding errors alone.
  good = ((gain > 0.75) | (gain > 0.35) & (damping > 1)) & ~shortened
  factor = jnp.where(good, down, jnp.where(gain < 0.35, 2.0, 1.0))
  return jnp.where(accepted, factor, 6.0)
