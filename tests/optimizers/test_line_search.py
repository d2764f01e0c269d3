"""L-BFGS on devices that see slightly different numbers: all do what the first would do alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from trainer.devices import parallel
from trainer.optimizers import line_search

_STEPS = 12


def _banana(v):
  return jnp.sum(100 * (v[1:] - v[:-1] ** 2) ** 2 + (1 - v[:-1]) ** 2)


def _steps(errors):
  """Parameters and lengths of steps, of devices simulated by one program: they may not wait.

  Args:
    errors: of each device, relative to its losses and gradients.
  """
  optimizer = line_search.lbfgs()

  def on_device(error):
    def loss(params):
      return (1 + error) * _banana(params)

    def step(carry, _):
      params, state = carry
      value, gradient = jax.value_and_grad(loss)(params)
      updates, state = optimizer.update(
        gradient, state, params, value=value, grad=gradient, value_fn=loss
      )
      params = optax.apply_updates(params, updates)
      return (params, state), (params, optax.tree.get(state, "learning_rate"))

    start = jnp.asarray([-1.2, 1.0, 0.5])
    return jax.lax.scan(step, (start, optimizer.init(start)), length=_STEPS)[1]

  return jax.jit(jax.vmap(on_device, axis_name=parallel.AXIS))(jnp.asarray(errors))


def test_all_devices_go_the_way_of_the_first():
  alone, lengths = _steps([0.0])
  params, both = _steps([0.0, 0.3])
  np.testing.assert_array_equal(params[0], params[1])
  np.testing.assert_array_equal(both[0], both[1])
  np.testing.assert_allclose(params[0], alone[0], rtol=1e-9)
  # Some steps are of other lengths than 1: the search had something to decide.
  assert np.any(lengths[0] != 1)


def test_it_is_optax_s_own():
  """Its steps on the line are those of optax on the parameters."""
  optimizer = optax.lbfgs()
  params = jnp.asarray([-1.2, 1.0, 0.5])
  state = optimizer.init(params)
  (found,), _ = _steps([0.0])
  for expected in found:
    value, gradient = jax.value_and_grad(_banana)(params)
    updates, state = optimizer.update(
      gradient, state, params, value=value, grad=gradient, value_fn=_banana
    )
    params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(expected, params, rtol=1e-7)
