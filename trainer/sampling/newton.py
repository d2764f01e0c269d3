"""Newton's method for points of a complete intersection on linear slices."""

from __future__ import annotations

from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp

from trainer.geometry import patches
from trainer.geometry.small import inverse
from trainer.geometry.variety import Variety
from trainer.sampling.roots import square

# XLA fuses elementwise stages into their consumers and recomputes them for each.
_fence = jax.lax.optimization_barrier


def correction(
  variety: Variety,
  frames: Sequence[jax.Array],
  y: Sequence[jax.Array],
  drifts: Sequence[jax.Array] = (),
) -> tuple[list[jax.Array], list[jax.Array]]:
  """Newton's correction of y, and how y moves as the frames do, both orthogonal to y.

  Q(y L) = 0 is linearised in orthonormal tangent vectors of each projective space: K equations, K
  unknowns, whatever patch the point is in.

  Args:
    variety: the variety.
    frames: for each factor L_i (s_i + 1, n_i + 1, W) complex128.
    y: for each factor (s_i + 1, W) complex128 of norm 1, the point z^(i) = y L_i.
    drifts: derivatives of the frames by a parameter; none if they stay.

  Returns:
    The correction and dy by the parameter (empty without drifts), as y.
  """
  chex.assert_equal(len(frames), len(variety.ambient))
  moving = bool(drifts)
  z, *drift = _fence([_points(part, y) for part in ([frames, drifts] if moving else [frames])])
  values = jnp.stack([q(z) for q in variety.polynomials])
  dq = _fence(patches.gradient(variety, z))
  bases = [tangents(u) for u in y]
  matrix = jnp.concatenate(
    [
      jnp.stack([jnp.sum(dq[:, s] * jnp.sum(t[:, None] * frame, axis=0), axis=1) for t in basis], 1)
      for s, frame, basis in zip(variety.factor_slices, frames, bases)
      if basis
    ],
    axis=1,
  )
  solution = _fence(inverse(_fence(matrix)))

  def solve_for(right):
    unknowns, parts = -jnp.sum(solution * right, axis=1), []
    for u, basis in zip(y, bases):
      parts.append(sum((x * t for x, t in zip(unknowns, basis)), jnp.zeros_like(u)))
      unknowns = unknowns[len(basis) :]
    return parts

  return solve_for(values), solve_for(jnp.sum(dq * drift[0], axis=1)) if moving else []


def tangents(y: jax.Array) -> list[jax.Array]:
  """Orthonormal vectors orthogonal to y (s + 1, W) of norm 1, by reflecting y to an axis."""
  size = jnp.sqrt(square(y[0]))
  phase = jnp.where(size > 0, y[0] / jnp.maximum(size, 1e-300), 1)
  mirror = y.at[0].add(phase)
  return [(-mirror * y[k].conj() / (1 + size)).at[k].add(1) for k in range(1, y.shape[0])]


def unit(y: Sequence[jax.Array]) -> list[jax.Array]:
  """Each vector (s + 1, W) at norm 1."""
  return [u / jnp.sqrt(jnp.sum(square(u), axis=0)) for u in y]


def _points(frames, y):
  """Points z (N, W)."""
  return jnp.concatenate([jnp.sum(u[:, None] * f, axis=0) for u, f in zip(y, frames)])
