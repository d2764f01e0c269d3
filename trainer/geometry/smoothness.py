"""Looks for a singular point of a variety before any work is spent on it."""

from __future__ import annotations

import numpy as np

from trainer.geometry.lagrange import LagrangeSystem
from trainer.geometry.variety import Variety

_STARTS = 400
_NEWTON_STEPS = 40
_DESCENT_STEPS = 60
# Normalised residual of a singular point; varieties this close to singular count as singular.
_TOLERANCE = 1e-9


def find_singular_point(variety: Variety, starts: np.ndarray | None = None) -> np.ndarray | None:
  """A point where all Q_a vanish and their differentials are dependent.

  Solves Q_a(z) = 0, sum_a lambda_a dQ_a(z) = 0 with |z^(i)| = |lambda| = 1 from many starts at
  once: Newton's method on random square subsystems, whose solutions include the singular points and
  attract a share of the starts each (the sum of squares has too many local minima to begin with),
  then a damped Gauss-Newton method on all equations. They have no solution on a smooth variety, so
  a residual that falls to rounding is proof up to the tolerance; finding none is strong evidence.

  Args:
    variety: the variety.
    starts: (S, N) complex, where to start; default random points.

  Returns:
    The point, (N,) complex, largest coordinate of each factor 1; None if none was found.
  """
  rng = np.random.default_rng(0)
  system = LagrangeSystem(variety)
  if starts is None:
    starts = _complex_normal(rng, (_STARTS, system.num_coordinates))
  x = system.rescale(
    np.concatenate([starts, _complex_normal(rng, (len(starts), variety.codimension))], axis=1)
  )
  x = _newton(system, x, rng)
  x, cost = _descend(system, x)
  best = np.argmin(cost)
  if not cost[best] <= _TOLERANCE**2:
    return None
  point = x[best, : system.num_coordinates]
  for s in variety.factor_slices:
    point[s] /= point[s][np.argmax(np.abs(point[s]))]
  return point


def _newton(system, x, rng):
  """Newton's method on a random square subsystem for each start."""
  values, jacobian = system(x)
  keep = x.shape[1] - len(system.blocks)  # one equation less for each scale that is fixed
  mix = _complex_normal(rng, (len(x), keep, values.shape[1]))
  for _ in range(_NEWTON_STEPS):
    rows = np.concatenate([mix @ jacobian, system.scales_fixed(x)], axis=1)
    right = np.zeros(x.shape + (1,), complex)
    right[:, :keep] = -mix @ values[:, :, None]
    # A tiny shift keeps exactly singular matrices (cones) solvable.
    step = np.linalg.solve(rows + 1e-13 * np.eye(x.shape[1]), right)[:, :, 0]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    new = system.rescale(x + step / np.maximum(1, length))
    usable = np.all(np.isfinite(new), axis=1)
    x[usable] = new[usable]
    values, jacobian = system(x)
  return x


def _descend(system, x):
  """Gauss-Newton with adaptive damping on all equations: (x, sum of squares)."""
  values, jacobian = system(x)
  cost = _cost(values)
  damping = np.full(len(x), 1e-6)
  identity = np.eye(x.shape[1])
  for _ in range(_DESCENT_STEPS):
    normal = jacobian.conj().transpose(0, 2, 1) @ jacobian
    gradient = jacobian.conj().transpose(0, 2, 1) @ values[:, :, None]
    shift = damping * np.trace(normal, axis1=1, axis2=2).real + 1e-30
    step = np.linalg.solve(normal + shift[:, None, None] * identity, -gradient)[:, :, 0]
    new = system.rescale(x + step)
    new_values, new_jacobian = system(new)
    new_cost = _cost(new_values)
    better = new_cost < cost
    x[better], values[better], jacobian[better], cost[better] = (
      new[better],
      new_values[better],
      new_jacobian[better],
      new_cost[better],
    )
    damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-15, 1e3)
  return x, cost


def _cost(values):
  cost = np.sum(np.abs(values) ** 2, axis=1)
  return np.where(np.isfinite(cost), cost, np.inf)


def _complex_normal(rng, shape):
  return rng.normal(size=shape) + 1j * rng.normal(size=shape)
