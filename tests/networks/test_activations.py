"""Every closed-form derivative against autodiff of the function itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import activations

_PLAIN = {
  "exp": jnp.exp,
  "gelu": lambda v: jax.nn.gelu(v, approximate=False),
  "log": jnp.log,
  "reciprocal": lambda v: 1 / v,
  "sigmoid": jax.nn.sigmoid,
  "silu": jax.nn.silu,
  "sin": jnp.sin,
  "softplus": jax.nn.softplus,
  "square": jnp.square,
  "tanh": jnp.tanh,
}


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_derivatives_match_autodiff(name):
  v = np.array([0.3, 0.9, 1.7]) if name in ("log", "reciprocal") else np.array([-1.9, 0.4, 1.1])

  @jax.jit
  def by_autodiff(v):
    f, towers = _PLAIN[name], []
    for _ in range(6):
      towers.append(jax.vmap(f)(v))
      f = jax.grad(f)
    return towers

  got = jax.jit(lambda v: activations.derivatives(name, v, 5))(v)
  np.testing.assert_allclose(got, by_autodiff(v), rtol=1e-11, atol=1e-12)
  for order in range(5):
    assert len(activations.derivatives(name, jnp.asarray(v), order)) == order + 1


@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_float32_stays_float32(name):
  outputs = activations.derivatives(name, jnp.ones(2, jnp.float32), 5)
  assert {d.dtype for d in outputs} == {jnp.dtype("float32")}


def test_unknown_name_lists_the_known_ones():
  with pytest.raises(ValueError, match="unknown activation 'gelo': choose one of .*gelu"):
    activations.derivatives("gelo", jnp.ones(1), 0)
