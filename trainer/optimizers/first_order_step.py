"""One step of an optax optimiser on the loss of a problem, written for one device of the mesh."""

from collections.abc import Callable
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from networks import precision
from trainer.devices import microbatch, parallel
from trainer.optimizers.state import TrainState, after_step, batch_of_step
from trainer.problem.problem import Problem


def plan_memory(problem: Problem, params: Any, batch: Any, budget: int) -> microbatch.Plan:
  """How a device's part of a batch is cut up: a step is fast and fits into `budget` bytes."""
  return microbatch.plan(
    lambda rows: problem.residual(params, rows).rows(), batch, budget, gradient=True
  )


def make_step(
  problem: Problem,
  optimizer: optax.GradientTransformation,
  plan: microbatch.Plan | None = None,
  matmul_precision: str = "float32",
) -> Callable[[TrainState, Any], tuple]:
  """Builds the per-device training step.

  Args:
    problem: what is learned.
    optimizer: the gradient transformation.
    plan: how a device's part of a batch is cut up (plan_memory); None: not at all.
    matmul_precision: of the network's layers in this step, see networks.precision.

  Returns:
    step(state, epoch) -> (state, metrics), where epoch is this device's part (T, B / devices, ...)
    of the epoch's T batches; the step takes batch `state.step mod T`. metrics holds () arrays: the
    loss, the gradient's norm, and batch_NAME for all that the problem watches.
  """

  def step(state: TrainState, epoch: Any) -> tuple[TrainState, dict[str, jax.Array]]:
    batch = batch_of_step(state, epoch)
    trained = problem.trained(state.params)

    def over_points(function, part):
      """The sum of function(part, rows, weight) over all points of the batch."""
      at = functools.partial(function, part)
      return parallel.psum(
        microbatch.accumulate(at, batch, batch.weight, plan) if plan else at(batch, batch.weight)
      )

    def sums(part, rows, weight):
      residual = problem.residual(problem.with_trained(state.params, part), rows)
      size = _size(residual.rows(), problem.power)
      watched = {name: jnp.sum(weight * value) for name, value in residual.watched.items()}
      return jnp.sum(weight * size), (jnp.sum(weight), watched)

    def objective(part):
      numerator, (denominator, _) = over_points(sums, part)
      return numerator / denominator

    def value_and_gradient(part):
      (numerator, (denominator, watched)), gradient = over_points(
        jax.value_and_grad(sums, has_aux=True), part
      )
      mean = lambda tree: jax.tree.map(lambda a: a / denominator, tree)
      return (numerator / denominator, mean(watched)), mean(gradient)

    with precision.matmuls(matmul_precision):
      (value, watched), gradient = value_and_gradient(trained)
      updates, optimizer_state = optax.with_extra_args_support(optimizer).update(
        gradient,
        state.optimizer,
        trained,
        value=value,
        grad=gradient,
        value_fn=_reduced(objective, value_and_gradient),
      )
    norm = optax.tree.norm(gradient)
    metrics = {"loss": value, "gradient_norm": norm}
    metrics |= {f"batch_{name}": mean for name, mean in watched.items()}
    params = problem.with_trained(state.params, optax.apply_updates(trained, updates))
    params = problem.admit(params)
    # Either may overflow alone.
    return after_step(state, params, optimizer_state, value + norm), metrics

  return step


def _size(rows: jax.Array, power: int) -> jax.Array:
  """sum |row|^p of rows (B, ...) -> (B,)."""
  value = jnp.abs(rows) if power == 1 else jnp.square(rows)
  return jnp.sum(value, axis=tuple(range(1, value.ndim))) if value.ndim > 1 else value


def _reduced(objective: Callable, value_and_gradient: Callable) -> Callable:
  """The loss for line searches, which differentiate it: its gradient is that over all devices."""

  @jax.custom_vjp
  def loss(params):
    return objective(params)

  def forward(params):
    (value, _), gradient = value_and_gradient(params)
    return value, gradient

  def backward(gradient, cotangent):
    return (jax.tree.map(lambda g: cotangent * g, gradient),)

  loss.defvjp(forward, backward)
  return loss
