"""Steps along a variety: from a point to another one on it, nearby."""

import functools

import chex
import jax
import jax.numpy as jnp

from trainer.geometry import patches
from trainer.geometry.variety import Variety

# Newton's corrections after a step: from a tenth of the manifold's size to rounding.
_CORRECTIONS = 5


@functools.partial(jax.jit, static_argnums=0)
def walk(variety: Variety, z: jax.Array, step: jax.Array) -> jax.Array:
  """z + the tangential part of a step, brought back to the variety by Newton's method.

  Both are orthogonal to the directions that only rescale a factor; the metric is that of the unit
  spheres, Fubini-Study of every factor up to a number.

  Args:
    variety: the variety.
    z: (B, N) complex, points on it in any scaling.
    step: (B, N) complex, in the coordinates in which each factor has norm 1.

  Returns:
    (B, N), each factor of norm 1.
  """
  chex.assert_equal_shape([z, step])
  chex.assert_axis_dimension(z, 1, variety.num_coordinates)
  radial = jnp.stack(
    [jnp.zeros(variety.num_coordinates).at[s].set(1) for s in variety.factor_slices]
  )

  def unit(z):
    norms = jnp.sqrt(radial @ jnp.square(jnp.abs(z)))
    return z / (norms @ radial)

  def at(z, step):
    def normal_part(z, right):
      """The shortest v with A v = right, A v the changes of |z^(i)|^2 / 2 and of Q_a."""
      rows = jnp.concatenate([radial * z.conj(), patches.gradient(variety, z)])
      sizes = jnp.linalg.norm(rows, axis=1)
      rows = rows / sizes[:, None]
      return rows.conj().T @ jnp.linalg.solve(rows @ rows.conj().T, right(rows, sizes))

    z = unit(z)
    z = unit(z + step - normal_part(z, lambda rows, _: rows @ step))

    def correct(_, z):
      values = jnp.stack([q(z) for q in variety.polynomials])
      values = jnp.concatenate([jnp.zeros(len(radial), z.dtype), values])
      return unit(z - normal_part(z, lambda _, sizes: values / sizes))

    return jax.lax.fori_loop(0, _CORRECTIONS, correct, z)

  return jax.vmap(at)(z, step)
