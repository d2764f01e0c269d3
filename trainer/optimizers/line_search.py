"""L-BFGS whose line search goes the same way on every device: the first one's.

optax's search is given f(t) = loss(params + t direction) instead of the loss: all it decides by
are then the numbers f(t) and f'(t), which are those of the first device. Left to itself it
multiplies vectors on each device, whose last digits differ, and of devices that disagree on whether
to go on one waits for the others for ever.
"""

import jax
import jax.numpy as jnp
import optax

from trainer.devices import parallel

# As in optax.lbfgs.
_LONGEST_SEARCH = 20


def lbfgs() -> optax.GradientTransformationExtraArgs:
  """optax.lbfgs, inside a per-device function only, whose loss and gradient are of all devices."""
  search = optax.scale_by_zoom_linesearch(_LONGEST_SEARCH, initial_guess_strategy="one")
  return optax.lbfgs(linesearch=_along_a_line(search))


def _along_a_line(
  search: optax.GradientTransformationExtraArgs,
) -> optax.GradientTransformationExtraArgs:
  """The line search on the one number t."""

  def init(params):
    return search.init(jnp.zeros((), jax.tree.leaves(params)[0].dtype))

  def update(direction, state, params, *, value, grad, value_fn, **extra):
    del extra
    direction = parallel.first(direction)
    ahead = lambda t: jax.tree.map(lambda p, d: p + t.astype(p.dtype) * d, params, direction)

    @jax.custom_vjp
    def loss(t):
      return parallel.first(value_fn(ahead(t)))

    def forward(t):
      return parallel.first(jax.value_and_grad(lambda t: value_fn(ahead(t)))(t))

    loss.defvjp(forward, lambda slope, cotangent: (cotangent * slope,))
    zero = jnp.zeros((), jax.tree.leaves(params)[0].dtype)
    value, slope = parallel.first((value, optax.tree.vdot(direction, grad).astype(zero.dtype)))
    length, state = search.update(
      jnp.ones_like(zero), state, zero, value=value, grad=slope, value_fn=loss
    )
    return jax.tree.map(lambda d: length.astype(d.dtype) * d, direction), state

  return optax.GradientTransformationExtraArgs(init, update)
