"""Points on a variety, block by block, each determined by a key and its index alone."""

from __future__ import annotations

import functools
import math

import chex
import jax
import jax.numpy as jnp

from trainer.devices import compiling
from trainer.errors import UserError
from trainer.geometry import patches
from trainer.geometry.fence import fence
from trainer.geometry.variety import Variety
from trainer.sampling import elimination, homotopy, univariate, weights
from trainer.sampling.points import Points
from trainer.sampling.roots import square
from trainer.sampling.slices import SliceType, slice_types

# A block of about this many points keeps intermediate results in the processor's cache.
_POINTS_PER_BLOCK = 10_000
# Largest |Q| / sum_m |c_m z^m| of a solution.
RESIDUAL_TOLERANCE = 1e-12
# Two solutions of a slice closer than this, in sine of the angle, count as one found twice.
_SEPARATION = 1e-7


class Sampler:
  """Draws points on a variety by solving random linear slices completely.

  One slice of every type makes a cluster of `points_per_slice` consecutive points: clusters are
  independent, the points of one are not. Cluster c is made from fold_in(key, c), in blocks of fixed
  size, so that a point depends only on the key and its index.

  Attributes:
    types: the slice types.
    points_per_slice: points of a cluster.
    slices_per_block: clusters of a block.
    points_per_block: points of a block.
  """

  def __init__(self, variety: Variety):
    self.variety = variety
    self.types = slice_types(variety.ambient, variety.degrees)
    self.points_per_slice = sum(t.num_points for t in self.types)
    self.slices_per_block = max(1, _POINTS_PER_BLOCK // self.points_per_slice)
    self.points_per_block = self.slices_per_block * self.points_per_slice

  def block(self, key: jax.Array, index: int) -> Points:
    """Block `index` of the stream of `key`: points_per_block points, float64 on one device.

    Raises:
      UserError: float64 is not enabled.
    """
    if not jax.config.jax_enable_x64:
      raise UserError(
        "sampling needs float64: call jax.config.update('jax_enable_x64', True) first"
      )
    # Three programs, not one: between them arrays lie with the batch innermost, while inside one
    # program XLA would spread the layout of the random numbers over all that follows.
    return finish(self.variety, self.types, self.solve(self.frames(key, index)))

  def describe(self) -> dict:
    """What else than the variety determines the points, as plain JSON data."""
    return {}

  def frames(self, key: jax.Array, index: int) -> list[tuple[jax.Array, ...]]:
    """What spans the slices of a block: see random_frames."""
    return random_frames(self.variety, self.types, self.slices_per_block, key, index)

  def solve(self, frames: list[tuple[jax.Array, ...]]) -> jax.Array:
    """All points on the slices of a block, (N, points_per_slice, slices_per_block)."""
    return jnp.concatenate(
      [solve_slices(self.variety, t, f) for t, f in zip(self.types, frames)], axis=1
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def random_frames(
  variety: Variety,
  types: tuple[SliceType, ...],
  num_slices: int,
  key: jax.Array,
  index: int,
) -> list[tuple[jax.Array, ...]]:
  """Complex normal frames (s_i + 1, n_i + 1, num_slices) of each factor, for each slice type.

  Their spans are uniform under the unitary group; slice c of the stream depends on fold_in(key, c).
  """
  shapes = [[(s + 1, n + 1) for s, n in zip(t.dimensions, variety.ambient)] for t in types]
  count = sum(math.prod(shape) for group in shapes for shape in group)
  clusters = index * num_slices + jnp.arange(num_slices)
  normals = jax.vmap(
    lambda c: jax.random.normal(jax.random.fold_in(key, c), (2, count), jnp.float64), out_axes=-1
  )(clusters)
  numbers, start, frames = jax.lax.complex(normals[0], normals[1]), 0, []
  for group in shapes:
    frames.append(())
    for shape in group:
      size = math.prod(shape)
      frames[-1] += (numbers[start : start + size].reshape(shape + (num_slices,)),)
      start += size
  return frames


def solve_slices(
  variety: Variety, slice_type: SliceType, frames: tuple[jax.Array, ...]
) -> jax.Array:
  """All points of a variety on slices of one type.

  Args:
    variety: the variety.
    slice_type: the type of the slices.
    frames: for each factor (s_i + 1, n_i + 1, B) complex128, spanning vectors of the slices.

  Returns:
    (N, num_points, B) complex128 homogeneous coordinates; NaN or wrong where solutions are lost.
  """
  if variety.codimension == 1:
    return _solve_univariate(variety, slice_type, frames)
  steps = elimination.plan(variety.degrees, slice_type.dimensions)
  if steps is not None:
    return _solve_elimination(variety, slice_type, steps, frames)
  return _solve_homotopy(variety, slice_type, frames)


_solve_univariate = compiling.jit_older_fusions(univariate.solve, (0, 1))
_solve_elimination = compiling.jit_older_fusions(elimination.solve, (0, 1, 2))
_solve_homotopy = compiling.jit_older_fusions(homotopy.solve, (0, 1))


@functools.partial(compiling.jit_older_fusions, static_argnums=(0, 1))
def finish(variety: Variety, types: tuple[SliceType, ...], z: jax.Array) -> Points:
  """Checks, normalises and weighs the solutions of complete clusters.

  Args:
    variety: the variety.
    types: slice types, whose solutions lie one type after another along axis 1.
    z: (N, S, B) complex128, S solutions of each of B clusters.

  Returns:
    B * S points, a cluster's together.
  """
  chex.assert_shape(z, (variety.num_coordinates, sum(t.num_points for t in types), None))
  over_points = functools.partial(jax.vmap, in_axes=-1, out_axes=-1)
  flat = z.reshape(z.shape[0], -1)
  flat = fence(over_points(functools.partial(patches.normalise, variety))(flat))
  accurate = fence(residual(variety, flat)) <= RESIDUAL_TOLERANCE
  complete = jnp.all(accurate.reshape(z.shape[1:]), axis=0)
  first = 0
  for t in types:
    complete &= _distinct(variety, flat.reshape(z.shape)[:, first : first + t.num_points])
    first += t.num_points
  # An incomplete cluster takes the points of a complete one, so that they remain harmless numbers.
  spare = flat.reshape(z.shape)[:, :, jnp.argmax(complete)]
  flat = fence(jnp.where(complete, flat.reshape(z.shape), spare[:, :, None]).reshape(flat.shape))
  dq = fence(patches.gradient(variety, flat))
  weight = over_points(functools.partial(weights.weight, variety, types))(flat, dq)
  omega = patches.omega_squared_in_chart(variety, flat, dq)
  weight = jnp.where(complete, weight.reshape(z.shape[1:]), 0)
  return Points(
    z=flat.reshape(z.shape).transpose(2, 1, 0).reshape(-1, z.shape[0]),
    weight=weight.T.reshape(-1),
    omega=omega.reshape(z.shape[1:]).T.reshape(-1),
  )


def residual(variety: Variety, z: jax.Array) -> jax.Array:
  """max_a |Q_a| / sum_m |c_m z^m| at points z (N, ...), coordinates first -> (...)."""
  size = jnp.sqrt(square(z))
  return functools.reduce(
    jnp.maximum, [jnp.sqrt(square(q(z))) / q.absolute()(size) for q in variety.polynomials]
  )


def _distinct(variety, z):
  """Whether a slice's solutions z (N, S, B) differ from each other, pair by pair -> (B,)."""
  distinct = jnp.ones(z.shape[2], bool)
  norms = fence([jnp.sum(square(z[s]), axis=0) for s in variety.factor_slices])
  for shift in range(1, z.shape[1] // 2 + 1):
    apart = False
    for s, r in zip(variety.factor_slices, norms):
      cosine = square(jnp.sum(z[s] * jnp.roll(z[s], shift, axis=1).conj(), axis=0))
      apart |= cosine < (1 - _SEPARATION**2) * r * jnp.roll(r, shift, axis=0)
    distinct &= jnp.all(apart, axis=0)
  return distinct
