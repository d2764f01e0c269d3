"""The Fubini-Study potential and metric of a product of projective spaces, at one point."""

from __future__ import annotations

import math

import chex
import jax
import jax.numpy as jnp

from trainer.geometry.variety import Variety, factor_slices


def potential(variety: Variety, z: jax.Array) -> jax.Array:
  """K = (1/pi) sum_i t_i log |z^(i)|^2; z (N,) complex, any scale -> () real."""
  chex.assert_shape(z, (variety.num_coordinates,))
  return sum(
    t / math.pi * jnp.log(jnp.sum(z[s].real ** 2 + z[s].imag ** 2))
    for t, s in zip(variety.moduli, variety.factor_slices)
  )


def metric(variety: Variety, z: jax.Array, pullback: jax.Array) -> jax.Array:
  """g = sum_i t_i g^(i), the metric of the potential pulled back to X.

  Args:
    variety: the variety, with its moduli t.
    z: (N,) complex.
    pullback: (n, N) complex, J[a, i] = dz^i/dx^a.

  Returns:
    (n, n) complex Hermitian, g[a, b] = g_{a bbar}.
  """
  factors = factor_metrics(variety.ambient, z, pullback)
  return sum(t * g for t, g in zip(variety.moduli, factors))


def factor_metrics(ambient: tuple[int, ...], z: jax.Array, pullback: jax.Array) -> jax.Array:
  """Each factor's Fubini-Study metric at t_i = 1, in the given directions.

  g^(i)_{a bbar} = (1/pi) (J_a.conj(J_b)/r - (J_a.conj(z)) conj(J_b.conj(z))/r^2), r = |z^(i)|^2.

  Args:
    ambient: (n_1, ..., n_m).
    z: (N,) complex, any scale.
    pullback: (n, N) complex directions.

  Returns:
    (m, n, n) complex.
  """
  chex.assert_shape(z, (sum(ambient) + len(ambient),))
  chex.assert_shape(pullback, (None, z.shape[0]))
  metrics = []
  for s in factor_slices(ambient):
    zi, ji = z[s], pullback[:, s]
    r = jnp.sum(zi.real**2 + zi.imag**2)
    # The part of each direction orthogonal to z: no cancellation between the two terms.
    along = ji @ zi.conj() / r
    orthogonal = ji - along[:, None] * zi
    metrics.append(orthogonal @ orthogonal.conj().T / (math.pi * r))
  return jnp.stack(metrics)
