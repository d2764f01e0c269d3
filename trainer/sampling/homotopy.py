"""All points of a complete intersection on random linear slices, by homotopy continuation.

A slice of type s is spanned in factor i by a frame L_i of s_i + 1 vectors; its points are
z^(i) = y^(i) L_i with y in P^{s_1} x ... x P^{s_m}. All points of one slice, the start, are known.
The frames turn from it to a random slice along a circle,
L(theta) = cos(theta) L_start + sin(theta) L, 0 <= theta <= pi/2, and every point follows: as the
frames are complex and random, no two points meet on the way (with probability one), so that all
points of the random slice are reached.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from trainer.geometry.variety import Variety
from trainer.sampling import newton
from trainer.sampling.roots import square
from trainer.sampling.slices import SliceType

# A predicted point may miss its path by this angle, and Newton's second correction must be this
# part of the first. Five times looser, 1 slice in 1000 lost points to paths that jumped, and it
# was 1.5 times faster; at these, none of 40,000 slices did.
_LARGEST_MISS = 0.02
_LARGEST_RATIO = 0.02
_AIMED_MISS = 0.004
_FIRST_STEP = 0.005
# Paths are lost if they take more; a tenth of this is typical.
_MAX_STEPS = 400
_POLISHING_STEPS = 2  # after arrival
_LANES = 512
_END = math.pi / 2


class Start(NamedTuple):
  """A slice and all its points."""

  frames: tuple[jax.Array, ...]  # (s_i + 1, n_i + 1) complex128 for each factor
  solutions: tuple[jax.Array, ...]  # (s_i + 1, S) complex128 for each factor, columns of norm 1


class _Lanes(NamedTuple):
  """Paths under way, one a lane; `y` and slopes hold one array (s_i + 1, W) a factor."""

  path: jax.Array  # which path, (W,) int
  age: jax.Array  # steps tried
  theta: jax.Array
  step: jax.Array  # to be tried next
  y: list[jax.Array]
  slope: list[jax.Array]  # dy/dtheta
  last_step: jax.Array  # theta minus that of the previous point
  last_y: list[jax.Array]
  last_slope: list[jax.Array]
  polished: jax.Array  # steps since arrival


def solve(
  variety: Variety,
  slice_type: SliceType,
  start: Start,
  frames: tuple[jax.Array, ...],
) -> jax.Array:
  """All points on slices.

  Paths differ in length severalfold, so they run in a fixed number of lanes: one that has arrived
  makes room for the next.

  Args:
    variety: the variety.
    slice_type: the type of the slices.
    start: one solved slice of that type.
    frames: for each factor (s_i + 1, n_i + 1, B) complex128, spanning vectors of the slices.

  Returns:
    (N, num_points, B) complex128 homogeneous coordinates, polished by Newton's method. Paths that
    did not arrive hold NaN; paths that jumped to another hold its point: check that the points of a
    slice differ.
  """
  batch, count = frames[0].shape[-1], slice_type.num_points
  for frame, s, n in zip(frames, slice_type.dimensions, variety.ambient):
    chex.assert_shape(frame, (s + 1, n + 1, batch))
  total = count * batch
  width = min(_LANES, total)

  def fresh(path):
    """The start of the given paths (W,); path p is solution p // B of slice p % B."""
    y = [u[:, path // batch] for u in start.solutions]
    rest = [jnp.zeros_like(u) for u in y]
    zero, step = jnp.zeros(width), jnp.full(width, _FIRST_STEP)
    return _Lanes(path, 0 * path, zero, step, y, rest, step, y, rest, 0 * path)

  def unfinished(loop):
    lanes, _, _ = loop
    return jnp.any(lanes.path < total)

  def advance(loop):
    lanes, following, ends = loop
    turn = functools.partial(_turned, start.frames, [f[:, :, lanes.path % batch] for f in frames])
    lanes = _advance(variety, turn, lanes)
    arrived = lanes.polished >= _POLISHING_STEPS
    done = arrived | (lanes.age >= _MAX_STEPS)
    target = jnp.where(done, lanes.path, total)  # out of bounds where nothing is to be written
    ends = [
      end.at[:, target].set(jnp.where(arrived, u, jnp.nan), mode="drop")
      for end, u in zip(ends, lanes.y)
    ]
    # Lanes that run out of paths repeat the last one without a place to write it to.
    next_path = jnp.minimum(following + jnp.cumsum(done) - 1, total)
    new = fresh(jnp.where(done, next_path, lanes.path))
    lanes = jax.tree.map(lambda a, b: jnp.where(done, a, b), new, lanes)
    return lanes, following + jnp.sum(done), ends

  ends = [jnp.zeros((u.shape[0], total), u.dtype) for u in start.solutions]
  loop = fresh(jnp.arange(width)), jnp.asarray(width), ends
  _, _, ends = jax.lax.while_loop(unfinished, advance, loop)
  y = [end.reshape(-1, count, batch) for end in ends]
  return jnp.concatenate([jnp.sum(u[:, None] * f[:, :, None], axis=0) for u, f in zip(y, frames)])


def _advance(variety, turn, lanes):
  """One step of every path: cubic prediction, two Newton corrections, new step size.

  Paths that have arrived stay and are corrected further.
  """
  moving = lanes.theta < _END
  theta = jnp.minimum(lanes.theta + lanes.step, _END)
  frames, drifts = turn(theta)
  predicted = newton.unit(_extrapolate(lanes, theta - lanes.theta))

  def correct(_, carry):
    y, _, miss, _ = carry
    change, slope = newton.correction(variety, frames, y, drifts)
    return newton.unit([u + v for u, v in zip(y, change)]), slope, _length(change), miss

  infinite = jnp.full_like(theta, jnp.inf)
  y, slope, second, first = jax.lax.fori_loop(
    0, 2, correct, (predicted, lanes.slope, infinite, infinite)
  )
  accepted = (first < _LARGEST_MISS) & (second < _LARGEST_RATIO * first + 1e-10)
  # The miss grows as the fourth power of the step.
  factor = jnp.clip(0.9 * (_AIMED_MISS / jnp.maximum(first, 1e-12)) ** 0.25, 0.25, 2.0)
  factor = jnp.where(accepted, factor, jnp.minimum(jnp.where(factor > 0, factor, 0.25), 0.5))
  # Newton's method leaves the phase of y alone, and the prediction's error in it would grow
  # fivefold a step: align it with the last point's.
  phases = [jnp.sum(u.conj() * v, axis=0) for u, v in zip(y, lanes.y)]
  phases = [p / jnp.sqrt(square(p)) for p in phases]
  y, slope = ([u * p for u, p in zip(part, phases)] for part in (y, slope))
  taken = lambda new, old: jax.tree.map(lambda a, b: jnp.where(accepted, a, b), new, old)
  left = lambda new, old: jax.tree.map(lambda a, b: jnp.where(accepted & moving, a, b), new, old)
  return _Lanes(
    path=lanes.path,
    age=lanes.age + 1,
    theta=taken(theta, lanes.theta),
    step=lanes.step * factor,
    y=taken(y, lanes.y),
    slope=taken(slope, lanes.slope),
    last_step=left(theta - lanes.theta, lanes.last_step),
    last_y=left(lanes.y, lanes.last_y),
    last_slope=left(lanes.slope, lanes.last_slope),
    polished=lanes.polished + ~moving,
  )


def _extrapolate(lanes, step):
  """Hermite's cubic through the last two points and slopes, `step` beyond the last."""
  r = step / lanes.last_step
  value, value_0 = (1 + r) ** 2 * (1 - 2 * r), r**2 * (3 + 2 * r)
  slope, slope_0 = r * (1 + r) ** 2 * lanes.last_step, r**2 * (1 + r) * lanes.last_step
  return [
    value * y + value_0 * y0 + slope * v + slope_0 * v0
    for y, y0, v, v0 in zip(lanes.y, lanes.last_y, lanes.slope, lanes.last_slope)
  ]


def _turned(start_frames, frames, theta):
  """Frames (s + 1, n + 1, W) at angles theta (W,), and their derivatives."""
  c, s = jnp.cos(theta), jnp.sin(theta)
  return (
    [c * u[:, :, None] + s * v for u, v in zip(start_frames, frames)],
    [c * v - s * u[:, :, None] for u, v in zip(start_frames, frames)],
  )


def _length(parts):
  return jnp.sqrt(sum(jnp.sum(square(u), axis=0) for u in parts))
