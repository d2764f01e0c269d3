"""The state that training carries from step to step, and what all steps do with it alike."""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp


class TrainState(NamedTuple):
  """Everything a run needs to go on; replicated on all devices.

  Attributes:
    step: () int32, the number of steps done.
    params: the problem's parameters.
    optimizer: the optimiser's own state.
    schedule: the loop's own state, which steps pass on.
    nonfinite_step: () int32, where the last step was skipped because its loss was not finite the
      first of those skipped in a row, else -1.
  """

  step: jax.Array
  params: Any
  optimizer: Any
  schedule: Any
  nonfinite_step: jax.Array


def new_state(step: jax.Array, params: Any, optimizer: Any, schedule: Any = ()) -> TrainState:
  """The state after `step` steps, all of them finite."""
  return TrainState(step, params, optimizer, schedule, jnp.int32(-1))


def batch_of_step(state: TrainState, epoch: Any) -> Any:
  """The batch `state.step mod T` of an epoch, a pytree of arrays (T, B, ...) -> (B, ...)."""
  chex.assert_rank(epoch.weight, 2)
  index = state.step % epoch.weight.shape[0]
  return jax.tree.map(lambda a: jax.lax.dynamic_index_in_dim(a, index, keepdims=False), epoch)


def after_step(state: TrainState, params: Any, optimizer: Any, loss: jax.Array) -> TrainState:
  """The state after a step to `params`.

  Args:
    state: before it.
    params: the parameters it leads to.
    optimizer: the optimiser's state there.
    loss: () before the step; where it is not finite the step is counted, but leads nowhere.
  """
  finite = jnp.isfinite(loss)
  params, optimizer = jax.tree.map(
    lambda new, old: jnp.where(finite, new, old),
    (params, optimizer),
    (state.params, state.optimizer),
  )
  first = jnp.where(state.nonfinite_step < 0, state.step + 1, state.nonfinite_step)
  return TrainState(state.step + 1, params, optimizer, state.schedule, jnp.where(finite, -1, first))


def skipped(state: TrainState) -> int:
  """How many of the last steps were skipped in a row."""
  first = int(state.nonfinite_step)
  return 0 if first < 0 else int(state.step) - first + 1
