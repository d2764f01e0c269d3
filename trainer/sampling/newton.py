"""Newton's method for points of a complete intersection on linear slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry import patches
from trainer.geometry.fence import fence
from trainer.geometry.variety import Variety
from trainer.sampling.roots import square


def correction(
  variety: Variety, frames: Sequence[jax.Array], y: Sequence[jax.Array]
) -> list[jax.Array]:
  """Newton's correction of y, the shortest one and so orthogonal to y.

  Args:
    variety: the variety.
    frames: for each factor L_i (s_i + 1, n_i + 1, W) complex128.
    y: for each factor (s_i + 1, W) complex128 of norm 1, the point z^(i) = y L_i.

  Returns:
    The correction, as y.
  """
  chex.assert_equal(len(frames), len(variety.ambient))
  z = fence(points(frames, y))
  values = jnp.stack([q(z) for q in variety.polynomials])
  dq = fence(patches.gradient(variety, z))
  gradients = [
    jnp.stack([add([g * u for g, u in zip(dq[:, s].swapaxes(0, 1), row)]) for row in frame], axis=1)
    for s, frame in zip(variety.factor_slices, frames)
  ]
  change = shortest(*fence((values, jnp.concatenate(gradients, axis=1))))
  return jnp.split(change, np.cumsum([u.shape[0] for u in y])[:-1])


def shortest(values: jax.Array, gradients: jax.Array) -> jax.Array:
  """The shortest x of values + gradients . x = 0, for more unknowns than equations.

  The equations are made orthogonal one after another: no pivots, no complex division.

  Args:
    values: (K, W) complex.
    gradients: (K, n, W) complex, n >= K.

  Returns:
    (n, W).
  """
  left, x = gradients.conj(), None
  for k, value in enumerate(values):
    first, left = left[0], left[1:]
    size = 1 / add(list(square(first)))
    if x is not None:
      value = value + add([g * u for g, u in zip(gradients[k], x)])
    change = first * (value * size)
    x = -change if x is None else x - change
    if k + 1 < len(values):
      along = add([u.conj() * left[:, i] for i, u in enumerate(first)]) * size
      left, x = fence((left - first * along[:, None], x))
  return fence(x)


def tangents(y: jax.Array) -> list[jax.Array]:
  """Orthonormal vectors orthogonal to y (s + 1, W) of norm 1, by reflecting y to an axis."""
  size = jnp.sqrt(square(y[0]))
  phase = jnp.where(size > 0, y[0] / jnp.maximum(size, 1e-300), 1)
  mirror = y.at[0].add(phase)
  return [(-mirror * y[k].conj() / (1 + size)).at[k].add(1) for k in range(1, y.shape[0])]


def unit(y: Sequence[jax.Array]) -> list[jax.Array]:
  """Each vector (s + 1, W) at norm 1."""
  return [u / jnp.sqrt(add(square(u))) for u in y]


def points(frames: Sequence[jax.Array], y: Sequence[jax.Array]) -> jax.Array:
  """Points z^(i) = y L_i, (N, W)."""
  return jnp.concatenate([add([u * row for u, row in zip(part, f)]) for part, f in zip(y, frames)])


def add(terms: Iterable[jax.Array]) -> jax.Array:
  """Their sum, one by one: a sum over a leading axis is ten times slower."""
  return functools.reduce(jnp.add, terms)
