"""All points of a complete intersection on random linear slices, by homotopy continuation.

On a slice the equations are a system of K polynomials on P^{s_1} x ... x P^{s_m}, with as many
solutions as every general system of these degrees. One such system is solved in advance, the start
(start.py). Coefficients turn from it to the slice's, cos(t) start + sin(t) slice, 0 <= t <= pi/2,
and every solution follows: no two meet on the way, with probability one.

Paths run with long steps, so that some jump to another or are lost. That shows in the end: the
slice then has fewer different points, and is done again with shorter steps. Paths that only change
places do no harm.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.fence import fence
from trainer.geometry.small import inverse
from trainer.geometry.variety import Variety
from trainer.sampling import newton, restricted
from trainer.sampling.newton import add
from trainer.sampling.roots import square
from trainer.sampling.slices import SliceType
from trainer.sampling.start import start_system

# A predicted point may miss its path by this angle, the first time and then; steps aim at a third.
_MISSES = (0.06, 0.02, 0.01, 0.005)
# Corrections until a path counts as lost, the first time and then; 20 are typical.
_CORRECTIONS = (60, 200, 400, 800)
_FIRST_STEP = 0.06
_SHORTEST_STEP = 1e-5
_ARRIVED = 2e-3  # the last correction, whose error is its square
_CLOSE = 1e-3  # Two points of a slice closer than this, in sine of the angle, are done again.
_LANES = 256
_CORRECTIONS_AT_ONCE = 4
_POLISHING_STEPS = 2
_POLAR_STEPS = 8
_END = math.pi / 2


class _System(NamedTuple):
  """Equations on slices and those they start from, by coefficients of their derivatives."""

  kinds: tuple[restricted.Group, ...]
  dimensions: tuple[int, ...]
  start: list[list[jax.Array]]  # for each group and factor (k, s_i + 1, R, 1) complex64
  slopes: list[list[jax.Array]]  # (k, s_i + 1, R, B)
  solutions: jax.Array  # (n, S) of the start


class _Lanes(NamedTuple):
  """Paths under way, one a lane, in single precision."""

  path: jax.Array  # which path, (W,) int
  age: jax.Array  # corrections
  step: jax.Array  # to be tried next
  last: jax.Array  # length of the last correction
  t: list[jax.Array]  # of the last three points, (W,), the latest first
  y: list[jax.Array]  # the last three points, (n, W)
  slopes: list[list[jax.Array]]  # what the slice's equations are


def solve(variety: Variety, slice_type: SliceType, frames: tuple[jax.Array, ...]) -> jax.Array:
  """All points on slices.

  Args:
    variety: the variety.
    slice_type: the type of the slices.
    frames: for each factor (s_i + 1, n_i + 1, B) complex128, spanning vectors of the slices.

  Returns:
    (N, num_points, B) complex128 homogeneous coordinates, polished by Newton's method. Paths that
    did not arrive hold NaN; paths that jumped to another hold its point: check that the points of a
    slice differ.
  """
  batch, count = frames[0].shape[-1], slice_type.num_points
  for frame, s, n in zip(frames, slice_type.dimensions, variety.ambient):
    chex.assert_shape(frame, (s + 1, n + 1, batch))
  frames = [orthonormal(f) for f in frames]
  y = _follow(_systems(variety, slice_type, frames)).astype(jnp.complex128)
  y = jnp.split(y.reshape(y.shape[0], -1), np.cumsum([f.shape[0] for f in frames])[:-1])
  tiled = [jnp.tile(f, (1, 1, count)) for f in frames]

  def polish(_, y):
    change = newton.correction(variety, tiled, y)
    return newton.unit([u + v for u, v in zip(y, change)])

  y = jax.lax.fori_loop(0, _POLISHING_STEPS, polish, newton.unit(y))
  z = newton.points(tiled, y)
  return z.reshape(z.shape[0], count, batch)


def orthonormal(frame):
  """Orthonormal rows of the same span, (s + 1, n + 1, B)."""
  basis = []
  for row in frame:
    for b in basis:
      row = row - b * add(list(b.conj() * row))
    basis.append(fence(row / jnp.sqrt(add(list(square(row))))))
  return jnp.stack(basis)


def _systems(variety, slice_type, frames):
  dimensions, kinds = slice_type.dimensions, restricted.groups(variety.degrees)
  start = start_system(variety.degrees, dimensions)
  expanded = [], []
  for kind, first in zip(kinds, start.coefficients):
    target = _aligned(_restrict(variety, slice_type, kind, frames), first)
    for c, parts in zip((first[:, :, None], target), expanded):
      derivatives = restricted.expand(c, kind.degree, dimensions)
      parts.append([fence(jnp.asarray(d, jnp.complex64)) for d in derivatives])
  return _System(kinds, dimensions, *expanded, jnp.asarray(start.solutions, jnp.complex64))


def _restrict(variety, slice_type, kind, frames):
  """Coefficients (k, M, B) of a group of equations on slices."""
  nodes, matrix = restricted.interpolation(kind.degree, slice_type.dimensions)
  z, first = [], 0
  for s, f in zip(slice_type.dimensions, frames):
    part = nodes[first : first + s + 1]
    z.append(add([u[None, :, None] * row[:, None] for u, row in zip(part, f)]))
    first += s + 1
  z = fence(jnp.concatenate(z))
  return jnp.stack([matrix @ fence(variety.polynomials[a](z)) for a in kind.equations])


def _aligned(c, start):
  """Combinations of equations c (k, M, B), orthonormal and the closest to `start` (k, M).

  They have the same solutions, and the coefficients half as far to turn.
  """
  c = orthonormal(c)
  overlap = jnp.stack(
    [jnp.stack([add([u * v for u, v in zip(row.conj(), s) if v]) for s in start]) for row in c]
  )

  # Its unitary factor: X -> (X + X^-*) / 2.
  def step(_, x):
    return (x + inverse(x).conj().swapaxes(0, 1)) / 2

  turn = jax.lax.fori_loop(0, _POLAR_STEPS, step, fence(overlap))
  return fence(jnp.stack([add([u * v for u, v in zip(c, turn[:, k])]) for k in range(len(start))]))


def _follow(system):
  """Solutions (n, S, B) of all slices, NaN where lost; rounds until all are found."""
  batch, count = system.slopes[0][0].shape[-1], system.solutions.shape[1]

  def unfinished(state):
    trial, _, bad = state
    return (trial < len(_MISSES)) & jnp.any(bad)

  def again(state):
    trial, ends, bad = state
    chosen = jnp.argsort(~bad, stable=True)
    ends = _run(system, trial, chosen, jnp.sum(bad) * count, ends)
    return trial + 1, ends, ~_different(system.dimensions, ends.reshape(-1, count, batch))

  ends = jnp.full((system.solutions.shape[0], count * batch), jnp.nan, system.solutions.dtype)
  state = jnp.asarray(0), ends, jnp.ones(batch, bool)
  _, ends, _ = jax.lax.while_loop(unfinished, again, state)
  return ends.reshape(-1, count, batch)


def _run(system, trial, chosen, total, ends):
  """Writes the ends of `total` paths, all those of the first slices of `chosen`, into `ends`.

  Paths differ in length severalfold, so they run in a fixed number of lanes: one that has arrived
  makes room for the next.
  """
  count, batch = system.solutions.shape[1], chosen.shape[0]
  miss = jnp.asarray(_MISSES, jnp.float32)[trial]
  corrections = jnp.asarray(_CORRECTIONS)[trial]
  # Another way every time: the one before may come close to a singular system.
  phase = jnp.exp(1j * trial).astype(jnp.complex64)

  def slices(path):
    return chosen[jnp.minimum(path // count, batch - 1)]

  def fresh(path):
    """The start of the given paths (W,); path p is solution p % S of slice chosen[p // S]."""
    y, here, zero = system.solutions[:, path % count], slices(path), jnp.zeros(_LANES, jnp.float32)
    return _Lanes(
      path,
      jnp.zeros_like(path),
      zero + _FIRST_STEP,
      zero + 1,
      # As if it had stood still before.
      [zero, zero - 1e3, zero - 2e3],
      [y, y, y],
      [[phase * c[..., here] for c in part] for part in system.slopes],
    )

  def running(loop):
    lanes, following, _ = loop
    return (following < total) | jnp.any(lanes.path < total)

  def advance(loop):
    lanes, following, ends = loop
    arrived = (lanes.t[0] >= jnp.float32(_END)) & (lanes.last < _ARRIVED)
    done = arrived | (lanes.age >= corrections) | (lanes.step < _SHORTEST_STEP)
    # Out of bounds where nothing is to be written.
    place = lanes.path % count * batch + slices(lanes.path)
    place = jnp.where(done & (lanes.path < total), place, ends.shape[1])
    ends = ends.at[:, place].set(jnp.where(arrived, lanes.y[0], jnp.nan), mode="drop")
    next_path = jnp.minimum(following + jnp.cumsum(done) - 1, batch * count)
    new = fresh(jnp.where(done, next_path, lanes.path))
    lanes = jax.tree.map(lambda a, b: jnp.where(done, a, b), new, lanes)
    lanes = jax.lax.fori_loop(
      0, _CORRECTIONS_AT_ONCE, lambda _, lanes: _correct(system, miss, lanes), lanes
    )
    return lanes, following + jnp.sum(done), ends

  nothing = jnp.full(_LANES, batch * count)
  lanes = jax.tree.map(jnp.zeros_like, jax.eval_shape(fresh, nothing))
  lanes = lanes._replace(path=nothing, age=nothing * 0 + corrections)
  return jax.lax.while_loop(running, advance, (lanes, jnp.asarray(0), ends))[2]


def _correct(system, miss, lanes):
  """Predicts the next point of every path from its last three and corrects it once.

  Where the correction is small the path goes on there, where not a shorter step is tried. Paths at
  their end stay and are corrected further.
  """
  (t0, t1, t2), (y0, y1, y2) = lanes.t, lanes.y
  t = jnp.minimum(t0 + lanes.step, _END)
  x, d1, d2 = t - t0, t0 - t1, t0 - t2
  w0 = (x + d1) * (x + d2) / (d1 * d2)
  w1 = -x * (x + d2) / (d1 * (d2 - d1))
  w2 = x * (x + d1) / (d2 * (d2 - d1))
  y = fence(_unit(system.dimensions, w0 * y0 + w1 * y1 + w2 * y2))
  c, s = fence((jnp.cos(t), jnp.sin(t)))
  values, gradients = restricted.evaluate(
    lambda g, k, r: c * system.start[g][k][:, :, r] + s * lanes.slopes[g][k][:, :, r],
    y,
    system.kinds,
    system.dimensions,
  )
  change = newton.shortest(values, gradients)
  length = jnp.sqrt(add(list(square(change))))
  accepted = length < miss
  # The miss grows as the third power of the step.
  factor = jnp.cbrt(miss / 3 / jnp.maximum(length, 1e-6))
  factor = jnp.where(accepted, jnp.clip(factor, 0.5, 2.0), jnp.clip(0.9 * factor, 0.2, 0.5))
  factor = jnp.where(length < jnp.inf, factor, 0.2)
  moving = accepted & (t0 < _END)
  y = _unit(system.dimensions, y + change, y0)
  keep = lambda which, new, old: jnp.where(which, new, old)
  return _Lanes(
    lanes.path,
    lanes.age + 1,
    lanes.step * factor,
    jnp.where(accepted, length, lanes.last),
    [keep(moving, t, t0), keep(moving, t0, t1), keep(moving, t1, t2)],
    [keep(accepted, y, y0), keep(moving, y0, y1), keep(moving, y1, y2)],
    lanes.slopes,
  )


def _unit(dimensions, y, like=None):
  """Each factor at norm 1, and in the phase of another point.

  Corrections leave the phase alone, and the prediction's error in it would grow sevenfold a step.
  """
  parts, first = [], 0
  for s in dimensions:
    u = y[first : first + s + 1]
    scale = 1 / jnp.sqrt(add(list(square(u))))
    if like is not None:
      phase = add([v.conj() * w for v, w in zip(u, like[first : first + s + 1])])
      scale = phase * (scale / jnp.sqrt(square(phase)))
    parts.append(u * scale)
    first += s + 1
  return jnp.concatenate(parts)


def _different(dimensions, y):
  """Whether all solutions y (n, S, B) of a slice are there and differ -> (B,)."""
  different = jnp.all(jnp.isfinite(y.real), axis=(0, 1))
  for shift in range(1, y.shape[1] // 2 + 1):
    other, apart, first = jnp.roll(y, shift, axis=1), 0.0, 0
    for s in dimensions:
      part = slice(first, first + s + 1)
      cosine = add([u * v.conj() for u, v in zip(y[part], other[part])])
      apart = jnp.maximum(apart, 1 - square(cosine))
      first += s + 1
    different &= jnp.all(apart > _CLOSE**2, axis=0)
  return different
