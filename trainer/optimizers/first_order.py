"""Optimisers from optax: any first-order one with warm-up, cosine decay and clipping; L-BFGS."""

import inspect

import jax.numpy as jnp
import optax

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.optimizers import line_search


def make_optimizer(
  name: str, learning_rate: float, warmup_steps: int, clip_norm: float, num_steps: int
) -> optax.GradientTransformation:
  """Chains global-norm clipping and an optax optimiser under a warm-up and cosine schedule.

  The rate rises linearly from 0 to `learning_rate` over `warmup_steps` and falls to 0 along a half
  cosine at `num_steps`.

  Args:
    name: an optax optimiser that needs nothing but a learning rate, such as "adam" or "lion"; or
      "lbfgs", which finds its step by a line search, makes sense for large batches only and ignores
      the rest.
    learning_rate: the peak rate, > 0.
    warmup_steps: steps of linear warm-up, fewer than `num_steps`.
    clip_norm: the largest global norm of a gradient, > 0.
    num_steps: steps of the whole run.

  Returns:
    The gradient transformation.

  Raises:
    UserError: a value is out of its range or the name is unknown.
  """
  if name == "lbfgs":
    return line_search.lbfgs()
  optimizer = getattr(optax, name, None) if name.islower() else None
  if not callable(optimizer) or "learning_rate" not in inspect.signature(optimizer).parameters:
    raise UserError(f"unknown optimizer {name!r}: use the name of an optax optimizer, such as adam")
  if not learning_rate > 0 or not clip_norm > 0:
    raise UserError("optimizer.learning_rate and optimizer.clip_norm must be positive")
  if not 0 <= warmup_steps < num_steps:
    raise UserError(
      f"optimizer.warmup_steps = {warmup_steps} must be at least 0 and below steps = {num_steps}"
    )
  schedule = optax.warmup_cosine_decay_schedule(
    init_value=0.0 if warmup_steps else learning_rate,
    peak_value=learning_rate,
    warmup_steps=warmup_steps,
    decay_steps=num_steps,
  )
  # Counted in int32 it would be a float32, whose rounding depends on the devices.
  rate = lambda count: schedule(jnp.asarray(count, parallel.widest_dtype()))
  return optax.chain(optax.clip_by_global_norm(clip_norm), optimizer(rate))
