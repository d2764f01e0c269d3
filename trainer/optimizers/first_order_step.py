"""One training step, written for one device of the mesh."""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from networks import precision
from trainer.curvature import tensors
from trainer.devices import microbatch, parallel
from trainer.geometry import hermitian
from trainer.metric.ansatz import Ansatz
from trainer.metric.losses import Loss, Tensors, monge_ampere
from trainer.points.batch import Batch


class TrainState(NamedTuple):
  """Everything a run needs to go on; replicated on all devices.

  Attributes:
    step: () int32, the number of steps done.
    params: {"network": the network's parameters, "log_kappa": ()}.
    optimizer: the optimiser's state.
    nonfinite_step: () int32, the first step whose loss was not finite, -1 if there was none.
  """

  step: jax.Array
  params: Any
  optimizer: Any
  nonfinite_step: jax.Array


def init_params(ansatz: Ansatz, key: jax.Array, log_kappa: float, dtype: jnp.dtype) -> Any:
  """The parameters of the ansatz' own starting metric.

  Args:
    ansatz: the trainable metric.
    key: the key the network is initialised from.
    log_kappa: log of Vol / integral |Omega|^2, where kappa starts from.
    dtype: real dtype of all parameters.

  Returns:
    {"network": the network's parameters, "log_kappa": ()}.
  """
  network = jax.tree.map(lambda a: a.astype(dtype), ansatz.init(key))
  return {"network": network, "log_kappa": jnp.asarray(log_kappa, dtype)}


def init_state(
  ansatz: Ansatz,
  optimizer: optax.GradientTransformation,
  key: jax.Array,
  log_kappa: float,
  dtype: jnp.dtype,
) -> TrainState:
  """The state at step 0, see `init_params`."""
  params = init_params(ansatz, key, log_kappa, dtype)
  return TrainState(jnp.int32(0), params, optimizer.init(params), jnp.int32(-1))


def point_tensors(ansatz: Ansatz, params: Any, batch: Batch, curvature: bool) -> Tensors:
  """What losses read, at every point of a batch; the Ricci scalar only if `curvature` is asked for."""
  if curvature:
    rows = ansatz.potential(params["network"], batch)
    metric, scalar = tensors.metric(rows), tensors.scalar(rows)
  else:
    metric, scalar = ansatz.metric(params["network"], batch), None
  return Tensors(volume_ratio(metric, params["log_kappa"], batch), scalar)


def volume_ratio(metric: jax.Array, log_kappa: jax.Array, batch: Batch) -> jax.Array:
  """eta = det g / (kappa |Omega|^2) of a metric packed (n * n, B), (B,)."""
  return hermitian.determinant(metric) / (jnp.exp(log_kappa) * batch.omega)


def plan_memory(
  ansatz: Ansatz, loss: Loss, params: Any, batch: Batch, budget: int
) -> microbatch.Plan:
  """How a device's part of a batch is cut up so that a step is fast and fits into `budget` bytes."""
  return microbatch.plan(
    lambda rows: point_tensors(ansatz, params, rows, loss.needs_curvature),
    batch,
    budget,
    gradient=True,
  )


def make_step(
  ansatz: Ansatz,
  loss: Loss,
  optimizer: optax.GradientTransformation,
  plan: microbatch.Plan | None = None,
  matmul_precision: str = "float32",
) -> Callable[[TrainState, Batch], tuple]:
  """Builds the per-device training step.

  Args:
    ansatz: the trainable metric.
    loss: see trainer.metric.losses.
    optimizer: the gradient transformation.
    plan: how a device's part of a batch is cut up (plan_memory); None: not at all.
    matmul_precision: of the network's layers in this step, see networks.precision.

  Returns:
    step(state, epoch) -> (state, metrics), where epoch is this device's part (T, B / devices, ...) of
    the epoch's T batches; the step takes batch `state.step mod T`. metrics holds () arrays: the loss,
    the batch's sigma and the gradient's norm.
  """

  def step(state: TrainState, epoch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
    chex.assert_rank(epoch.x, 3)
    index = state.step % epoch.x.shape[0]
    batch = jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, index, keepdims=False), epoch)

    def over_points(function, params):
      """The sum of function(params, rows, weight) over all points of the batch."""
      at = functools.partial(function, params)
      return parallel.psum(
        microbatch.accumulate(at, batch, batch.weight, plan) if plan else at(batch, batch.weight)
      )

    def sums(params, rows, weight):
      values = point_tensors(ansatz, params, rows, loss.needs_curvature)
      numerator, denominator = loss.sums(values, weight)
      return numerator, (denominator, monge_ampere(1).sums(values, weight))

    def objective(params):
      numerator, (denominator, _) = over_points(sums, params)
      return numerator / denominator

    def value_and_gradient(params):
      (numerator, (denominator, sigma)), gradient = over_points(
        jax.value_and_grad(sums, has_aux=True), params
      )
      return (numerator / denominator, sigma[0] / sigma[1]), jax.tree.map(
        lambda g: g / denominator, gradient
      )

    with precision.matmuls(matmul_precision):
      (value, sigma), gradient = value_and_gradient(state.params)
      updates, optimizer_state = optax.with_extra_args_support(optimizer).update(
        gradient,
        state.optimizer,
        state.params,
        value=value,
        grad=gradient,
        value_fn=_reduced(objective, value_and_gradient),
      )
    bad = (state.nonfinite_step < 0) & ~jnp.isfinite(value)
    metrics = {"loss": value, "sigma": sigma, "gradient_norm": optax.tree.norm(gradient)}
    return TrainState(
      state.step + 1,
      optax.apply_updates(state.params, updates),
      optimizer_state,
      jnp.where(bad, state.step + 1, state.nonfinite_step),
    ), metrics

  return step


def _reduced(objective: Callable, value_and_gradient: Callable) -> Callable:
  """The loss as a function that line searches may differentiate: its gradient is that over all devices."""

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
