"""Complex vectors at points as real rows [Re | Im], and products with them made of matmuls.

Shape letters: B points, I and A vectors a point, N their length, E equations.
"""

import jax
import jax.numpy as jnp

from networks import precision


def gram(y: jax.Array, z: jax.Array) -> jax.Array:
  """y_i* z_q: y (B, I, 2N), z (B, A, 2N) -> (B, I, A) complex; the shorter list is y."""
  # One product of matrices a point: many times faster than sums of products, also to compile.
  twice = jnp.concatenate([y, _times_i(y)], axis=1)
  both = _at_points(twice, z.astype(y.dtype), 2)
  return jax.lax.complex(both[:, : y.shape[1]], both[:, y.shape[1] :])


def mix(c: jax.Array, z: jax.Array) -> jax.Array:
  """sum_q c_iq z_q: c (B, I, A) complex, z (B, A, 2N) -> (B, I, 2N)."""
  both = _at_points(jnp.concatenate([c.real, c.imag], axis=1), z.astype(c.real.dtype), 1)
  return both[:, : c.shape[1]] + _times_i(both[:, c.shape[1] :])


def times(z: jax.Array, re: jax.Array, im: jax.Array) -> jax.Array:
  """V z by three real products, V = re + i im (N, N): (B, I, 2N) -> the same shape."""
  rows, size = z.reshape(-1, z.shape[-1]), z.shape[-1] // 2
  x, y = rows[:, :size], rows[:, size:]
  first = precision.product(x + y, re.T)
  return jnp.concatenate(
    [
      first - precision.product(y, (re + im).T),
      first + precision.product(x, (im - re).T),
    ],
    axis=-1,
  ).reshape(z.shape)


def outer(w: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
  """sum w z* over points and vectors by three real products: (B, I, 2N) twice -> re, im (N, N)."""
  size = z.shape[-1] // 2
  w, z = w.reshape(-1, 2 * size), z.reshape(-1, 2 * size)
  u, v, x, y = w[:, :size], w[:, size:], z[:, :size], z[:, size:]
  first = precision.transposed_product(u + v, x)
  return (
    first + precision.transposed_product(v, y - x),
    first - precision.transposed_product(u, x + y),
  )


def real(values: jax.Array) -> jax.Array:
  """Equations (B, 1 + n) complex, of which the first is real -> (B, 1 + 2n) real."""
  return jnp.concatenate([values.real, values.imag[:, 1:]], axis=1)


def complex_of(rows: jax.Array) -> jax.Array:
  """The inverse of `real`."""
  n = rows.shape[1] // 2
  imaginary = jnp.concatenate([jnp.zeros_like(rows[:, :1]), rows[:, 1 + n :]], axis=1)
  return jax.lax.complex(rows[:, : 1 + n], imaginary)


def _times_i(z):
  re, im = jnp.split(z, 2, axis=-1)
  return jnp.concatenate([-im, re], axis=-1)


def _at_points(u, v, axis):
  """Products of matrices, one a point."""
  return jax.lax.dot_general(
    u, v, (((2,), (axis,)), ((0,), (0,))), precision=jax.lax.Precision.HIGHEST
  )
