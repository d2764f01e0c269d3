"""Points around which a variety is nearly singular, and how nearly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trainer.geometry.lagrange import LagrangeSystem
from trainer.geometry.polynomials import evaluate
from trainer.geometry.variety import Variety

_NEWTON_STEPS = 40
_LONGEST_STEP = 0.2
_CONVERGED = 1e-9
_SAME = 1e-4
# Varieties that keep further away than this from their would-be singular points are harmless.
_LARGEST_RADIUS = 0.25
_MOST = 256


class Foci(NamedTuple):
  """Nearly singular points, F of them, the nearest to singular first.

  Attributes:
    centers: (F, N) complex128, each factor of norm 1; they lie near the variety, not on it.
    radii: (F,) float64, the distance (sine of an angle) at which the variety passes them.
  """

  centers: np.ndarray
  radii: np.ndarray


def find_foci(variety: Variety, starts: np.ndarray) -> Foci:
  """Critical points of |L|^2, L = sum_a lambda_a Q_a, on the projective spaces of z and lambda.

  At a singular point L and dL vanish. Near it, on a smooth variety, |L|^2 over the norms of its
  arguments still has a critical point: the directions dL/dx_b in which each x_b = z^(1), ..,
  z^(m), lambda keeps its norm vanish, and only a value L_0 is left. By L = L_0 + x H x / 2 the
  variety then passes at a distance of about r = sqrt(2 |L_0| / |H|). Newton's method with the
  norms held finds these points from starts near them.

  Args:
    variety: the variety.
    starts: (S, N) complex, points near which to look, such as sampled points of large weight.

  Returns:
    Those found within reach; for each at least one start must have come to it.
  """
  system = LagrangeSystem(variety)
  n = system.num_coordinates
  z = system.rescale(np.concatenate([starts, np.ones((len(starts), variety.codimension))], axis=1))[
    :, :n
  ]
  x = np.concatenate([z, _multipliers(variety, z)], axis=1)
  for _ in range(_NEWTON_STEPS):
    values, second = system(x)
    along = _projectors(system, x)
    across = along.transpose(0, 2, 1)
    fixed = system.scales_fixed(x)
    matrix = along @ second @ across + fixed.transpose(0, 2, 1) @ fixed
    matrix += 1e-13 * np.eye(x.shape[1])  # keeps degenerate critical points solvable
    step = -(across @ np.linalg.solve(matrix, along @ values[:, :, None]))[:, :, 0]
    length = np.linalg.norm(step, axis=1)
    shorter = np.minimum(1, _LONGEST_STEP / np.maximum(length, 1e-300))
    x = system.rescale(x + shorter[:, None] * step)
  values, second = system(x)
  value = np.abs(np.sum(x[:, n:] * values[:, n:], axis=1))
  across = _projectors(system, x)[:, :n, :n]
  bends = np.linalg.svd(across @ second[:, :n, :n] @ across.transpose(0, 2, 1), compute_uv=False)
  bends = bends[:, : sum(variety.ambient)]
  with np.errstate(divide="ignore"):
    bend = np.exp(np.mean(np.log(bends), axis=1))
    radius = np.sqrt(2 * value / bend)
  found = np.flatnonzero((length < _CONVERGED) & (radius < _LARGEST_RADIUS))
  found, kept = found[np.argsort(radius[found], kind="stable")], []
  while len(found) and len(kept) < _MOST:
    kept.append(found[0])
    found = found[_apart(variety, x[found], x[found[0]])]
  return Foci(x[kept, :n], radius[kept])


def _projectors(system, x):
  """1 - conj(x_b) x_b^T in every block: (S, N + K, N + K)."""
  fixed = system.scales_fixed(x)
  return np.eye(x.shape[1]) - fixed.transpose(0, 2, 1) @ fixed.conj()


def _multipliers(variety, z):
  """lambda of norm 1 for which the tangential part of lambda dQ is smallest, (S, K)."""
  dq = np.stack([np.stack(evaluate(row, z.T), axis=1) for row in variety.gradients], axis=1) + 0j
  dq /= np.array([np.linalg.norm(q.coefficients) for q in variety.polynomials])[:, None]
  for s in variety.factor_slices:
    radial = np.sum(dq[:, :, s] * z[:, None, s], axis=2, keepdims=True)
    dq[:, :, s] -= radial * z[:, None, s].conj()
  return np.linalg.eigh(dq @ dq.conj().transpose(0, 2, 1))[1][:, :, 0].conj()


def _apart(variety, x, y):
  """Which of the points x (S, ..) differ from y in some factor."""
  return np.any(
    [1 - np.abs(x[:, s] @ y[s].conj()) ** 2 > _SAME**2 for s in variety.factor_slices], axis=0
  )
