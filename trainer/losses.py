"""Losses: per-point tensors in, (numerator, denominator) out.

The mesh sums both over all devices and divides afterwards, so that a loss does not depend on how the
points are spread. Nothing here communicates.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

# (eta (B,), weight (B,)) -> (numerator (), denominator ())
Loss = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def monge_ampere(power: int) -> Loss:
  """The Monge-Ampere loss < |1 - eta|^p >, eta = det g / (kappa |Omega|^2).

  It vanishes if and only if g is Ricci-flat. p = 1 is sigma (Douglas, Karp, Lukic, Reinbacher 2006),
  p = 2 is E (Headrick, Nassar 2009).

  Args:
    power: p, 1 or 2.

  Returns:
    A loss: (eta (B,), weight (B,)) -> (sum w |1 - eta|^p, sum w).
  """
  def loss(eta: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    chex.assert_rank([eta, weight], 1)
    chex.assert_equal_shape([eta, weight])
    residual = jnp.abs(1 - eta) if power == 1 else jnp.square(1 - eta)
    return jnp.sum(weight * residual), jnp.sum(weight)

  return loss
