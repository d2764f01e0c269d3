"""One linear slice of each type, solved completely: where homotopies start."""

from __future__ import annotations

import numpy as np

from trainer.errors import UserError
from trainer.geometry.polynomials import evaluate
from trainer.geometry.variety import Variety
from trainer.sampling.homotopy import Start
from trainer.sampling.slices import SliceType

_NEWTON_STEPS = 60
_ROUNDS = 100
_SAME = 1e-6


def solve_one_slice(variety: Variety, slice_type: SliceType) -> Start:
  """A random slice with all its points.

  Newton's method from random starts, until as many different points are found as the exact
  intersection number says there are: then they are all of them, however they were found.

  Raises:
    UserError: some point is not found, as on varieties that are very nearly singular.
  """
  rng = np.random.default_rng(0)
  frames = tuple(
    _complex_normal(rng, (s + 1, n + 1)) for s, n in zip(slice_type.dimensions, variety.ambient)
  )
  found = []
  for _ in range(_ROUNDS):
    for y in _newton(variety, frames, rng, 20 * slice_type.num_points):
      if all(_apart(y, other) for other in found):
        found.append(y)
    if len(found) >= slice_type.num_points:
      break
  if len(found) != slice_type.num_points:
    raise UserError(
      f"a linear slice of type {slice_type.dimensions} should meet the variety in "
      f"{slice_type.num_points} points but {len(found)} were found: the variety is singular, or "
      "too nearly so; change its polynomials"
    )
  return Start(frames, tuple(np.stack(part, axis=1) for part in zip(*found)))


def _newton(variety, frames, rng, count):
  """Solutions reached from `count` random starts: lists of m unit vectors (s_i + 1,)."""
  y = _unit([_complex_normal(rng, (count, f.shape[0])) for f in frames])
  for _ in range(_NEWTON_STEPS):
    z = np.concatenate([u @ f for u, f in zip(y, frames)], axis=1).T
    values = np.stack([q(z) for q in variety.polynomials])
    dq = np.stack([np.stack(evaluate(row, z)) for row in variety.gradients])
    rows = np.concatenate(
      [np.einsum("anc,kn->cak", dq[:, s], f) for s, f in zip(variety.factor_slices, frames)], axis=2
    )
    # The shortest step that solves the linearised equations is orthogonal to y once they hold.
    adjoint = rows.conj().transpose(0, 2, 1)
    gram = rows @ adjoint
    shift = 1e-15 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(len(values))
    step = -(adjoint @ np.linalg.solve(gram + shift, values.T[:, :, None]))[:, :, 0]
    y = _unit(_add(y, step))
  z = np.concatenate([u @ f for u, f in zip(y, frames)], axis=1).T
  error = np.max([abs(q(z)) / q.absolute()(abs(z)) for q in variety.polynomials], axis=0)
  return [[u[i] for u in y] for i in np.flatnonzero(error < 1e-13)]


def _add(y, step):
  parts, start = [], 0
  for u in y:
    parts.append(u + step[:, start : start + u.shape[1]])
    start += u.shape[1]
  return parts


def _apart(y, other):
  return any(1 - abs(np.vdot(u, v)) ** 2 > _SAME**2 for u, v in zip(y, other))


def _unit(y):
  return [u / np.linalg.norm(u, axis=1, keepdims=True) for u in y]


def _complex_normal(rng, shape):
  return rng.normal(size=shape) + 1j * rng.normal(size=shape)
