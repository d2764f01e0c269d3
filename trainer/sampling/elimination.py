"""All points on slices whose equations can be solved one after another, or two at a time.

Often one equation involves one factor alone once others are solved, such as all three of a Schoen
or Tian-Yau manifold. Then a slice is cut down step by step: a linear equation cuts its subspace to
a smaller one, an equation on a line is a univariate polynomial, two equations on a plane have a
resultant. Every root gives a branch on which the remaining equations are solved.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from trainer.geometry.fence import fence
from trainer.geometry.variety import Variety
from trainer.sampling import newton, resultants, roots
from trainer.sampling.slices import SliceType

_NEWTON_STEPS = 2


class Step(NamedTuple):
  """Equations that are solved in one factor; its subspace loses as many dimensions."""

  factor: int
  equations: tuple[int, ...]


def plan(degrees: Sequence[Sequence[int]], dimensions: Sequence[int]) -> tuple[Step, ...] | None:
  """In which order the equations can be solved; None if it takes more than this module can do.

  Args:
    degrees: configuration matrix, m rows and K columns.
    dimensions: (s_1, ..., s_m) of the slices.
  """
  left, dimensions, steps = set(range(len(degrees[0]))), list(dimensions), []

  def unknown_factors(a):
    return [i for i, row in enumerate(degrees) if row[a] and dimensions[i]]

  def next_step():
    alone = {a: factors[0] for a in sorted(left) if len(factors := unknown_factors(a)) == 1}
    for a, i in alone.items():
      if dimensions[i] == 1 or degrees[i][a] == 1:
        return Step(i, (a,))
    for a, b in itertools.combinations(alone, 2):
      if alone[a] == alone[b] and dimensions[alone[a]] == 2:
        return Step(alone[a], (a, b))
    return None

  while left:
    step = next_step()
    if step is None:
      return None
    steps.append(step)
    left -= set(step.equations)
    dimensions[step.factor] -= len(step.equations)
  return tuple(steps)


def solve(
  variety: Variety, slice_type: SliceType, steps: tuple[Step, ...], frames: tuple[jax.Array, ...]
) -> jax.Array:
  """All points on slices.

  Args:
    variety: the variety.
    slice_type: the type of the slices.
    steps: see `plan`.
    frames: for each factor (s_i + 1, n_i + 1, B) complex128, spanning vectors of the slices.

  Returns:
    (N, num_points, B) complex128 homogeneous coordinates, polished by Newton's method. Check that
    the points of a slice differ.
  """
  batch = frames[0].shape[-1]
  for frame, s, n in zip(frames, slice_type.dimensions, variety.ambient):
    chex.assert_shape(frame, (s + 1, n + 1, batch))
  # What spans a subspace is kept together with its coordinates in the slice.
  spans = [jnp.concatenate([f, _identity(f)], axis=1) for f in frames]
  for factor, equations in steps:
    rows = _cut(variety, equations, factor, spans)
    branches = rows.shape[-1] // spans[0].shape[-1]
    spans = [jnp.tile(span, (1, 1, branches)) for span in spans]
    spans[factor] = rows
  y = newton.unit([span[0, n + 1 :] for span, n in zip(spans, variety.ambient)])
  frames = [jnp.tile(f, (1, 1, slice_type.num_points)) for f in frames]

  def polish(_, y):
    change = newton.correction(variety, frames, y)
    return newton.unit([u + v for u, v in zip(y, change)])

  y = jax.lax.fori_loop(0, _NEWTON_STEPS, polish, y)
  z = newton.points(frames, y)
  return z.reshape(z.shape[0], slice_type.num_points, batch)


def _cut(variety, equations, factor, spans):
  """The subspace of one factor on which equations hold, a branch for each solution.

  Args:
    spans: for each factor (s + 1, n + 1 + .., W).

  Returns:
    (s + 1 - number of equations, n + 1 + .., branches * W), a branch's together.
  """
  span, degrees = spans[factor], [variety.degrees[factor][a] for a in equations]

  def value(equation, point):
    """One polynomial with `point` (n + 1 + .., .., W) in the factor, (.., W)."""
    parts = [s[0].reshape((s.shape[1],) + (1,) * (point.ndim - 2) + s.shape[2:]) for s in spans]
    parts[factor] = point
    parts = [p[: n + 1] for p, n in zip(parts, variety.ambient)]
    z = fence(jnp.concatenate([jnp.broadcast_to(p, p.shape[:1] + point.shape[1:]) for p in parts]))
    return fence(variety.polynomials[equation](z))

  if degrees == [1]:
    form = jnp.stack([value(equations[0], row) for row in span])
    (form,) = newton.unit([form])
    return jnp.stack([jnp.sum(t[:, None] * span, axis=0) for t in newton.tangents(form.conj())])
  if len(equations) == 1:
    on_line = lambda t: span[0][:, None] + t * span[1][:, None]
    unknowns = [
      roots.all_roots(
        roots.interpolate(lambda t: value(equations[0], on_line(t)), degrees[0], span.shape[-1])
      )
    ]
  else:
    curves = []
    for equation, degree in zip(equations, degrees):
      t = resultants.unity(degree)
      grid = (
        span[0][:, None, None]
        + t[:, None, None] * span[1][:, None, None]
        + t[None, :, None] * span[2][:, None, None]
      )
      curves.append(resultants.coefficients(value(equation, grid)))
    unknowns = resultants.common_zeros(*curves)
  point = span[0][:, None] + sum(t * row[:, None] for t, row in zip(unknowns, span[1:]))
  point = point / jnp.sqrt(1 + sum(roots.square(t) for t in unknowns))
  return point.reshape(1, point.shape[0], math.prod(point.shape[1:]))


def _identity(frame):
  eye = jnp.eye(frame.shape[0], dtype=frame.dtype)
  return jnp.broadcast_to(eye[:, :, None], eye.shape + frame.shape[2:])
