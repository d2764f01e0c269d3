"""All points of a hypersurface on random lines: one polynomial, one line, points elsewhere."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from trainer.geometry.polynomials import evaluate
from trainer.geometry.variety import Variety
from trainer.sampling import roots
from trainer.sampling.slices import SliceType

_NEWTON_STEPS = 2


def solve(variety: Variety, slice_type: SliceType, frames: tuple[jax.Array, ...]) -> jax.Array:
  """Points of a hypersurface on lines.

  Args:
    variety: one with a single polynomial Q.
    slice_type: its one sliced factor has s_i = 1, the others s_i = 0.
    frames: for each factor (s_i + 1, n_i + 1, B) complex128, spanning vectors of the slices.

  Returns:
    (N, num_points, B) complex128 homogeneous coordinates, polished by Newton's method on Q itself.
  """
  sliced = slice_type.dimensions.index(1)
  line = variety.factor_slices[sliced]
  degree, batch = slice_type.num_points, frames[0].shape[-1]
  chex.assert_shape(frames[sliced], (2, line.stop - line.start, batch))
  base = jnp.concatenate([frame[0] for frame in frames])  # (N, B)
  direction = frames[sliced][1]

  def on_line(t):
    z = jnp.broadcast_to(base[:, None], base.shape[:1] + t.shape[:1] + base.shape[1:])
    return z.at[line].add(t * direction[:, None])

  (polynomial,), (gradient,) = variety.polynomials, variety.gradients

  def newton(_, t):
    z = on_line(t)
    slope = sum(u * q for u, q in zip(direction, evaluate(gradient[line], z), strict=True))
    return t - polynomial(z) * roots.reciprocal(slope)

  t = roots.all_roots(roots.interpolate(lambda t: polynomial(on_line(t)), degree, batch))
  return on_line(jax.lax.fori_loop(0, _NEWTON_STEPS, newton, t))
