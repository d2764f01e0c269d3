"""Searches a variety for the places where a field is worst: between sampled points, too.

From the worst sampled points random steps along the variety are tried, all at once; the best is
taken, and steps become longer where one was better and shorter where none was (an evolution
strategy: a least eigenvalue has no derivative where it is double, and any network will do).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import parallel
from trainer.geometry.walk import walk
from trainer.points import dataset
from trainer.problem import evaluation
from trainer.problem.problem import Problem, Values

# Sampled points that a search starts from, steps tried from each at a time, and how often.
_STARTS = 24
_STEPS = 40
_ROUNDS = 24
# Of the first steps, in the metric of unit spheres: sampled points are about as far apart.
_LENGTH = 0.15
_LONGER, _SHORTER = 1.4, 0.6
# Places nearer to each other than this are one.
_APART = 0.02


class Place(NamedTuple):
  """A bad place.

  Attributes:
    z: (N,) complex, a point of the variety, each factor of norm 1.
    value: what was searched for its extremes, there.
    sampled: the same at the sampled point from which the search came here.
  """

  z: np.ndarray
  value: float
  sampled: float


def worst_places(
  problem: Problem,
  params: Any,
  points: dataset.Dataset,
  values: Values,
  mesh: jax.sharding.Mesh,
  memory: int,
  dtype: jnp.dtype,
) -> dict[str, list[Place]]:
  """The worst places of the field, for each of the problem's `extremes`.

  Args:
    problem: a problem on a variety.
    params: its parameters.
    points: sampled points.
    values: the problem's values there.
    mesh: the devices; every process gets the same result.
    memory: bytes of a device for intermediate results.
    dtype: real dtype of evaluation.

  Returns:
    name -> places apart from each other, the worst first, at least one.
  """
  names = list(problem.extremes(values, values))
  if not names:
    return {}
  signs = np.array([-1.0 if name.startswith("min_") else 1.0 for name in names])

  def badness(at: Values) -> np.ndarray:
    """(extremes, B), larger is worse."""
    found = signs[:, None] * np.stack(list(problem.extremes(at, values).values()))
    return np.where(np.isfinite(found), found, -np.inf)

  starts = _Starts.of(badness(values), values["weight"], dataset.coordinates(points))
  values_at = evaluation.anywhere(problem.values, problem.variety, params, mesh, memory, dtype)

  def at(z: np.ndarray) -> np.ndarray:
    """How bad the field is at z (S, T, N), in the sense of each start (S, T)."""
    found = badness(values_at(z.reshape(-1, z.shape[-1])))
    return found.reshape(-1, *z.shape[:2])[starts.extreme, np.arange(len(z))]

  z, value = _climb(problem.variety, starts.z, starts.value, at)
  return {
    name: _apart(problem.variety, z[of], value[of], starts.value[of], sign)
    for index, (name, sign) in enumerate(zip(names, signs))
    for of in [starts.extreme == index]
  }


def where_not(problem: Problem, places: dict[str, list[Place]]) -> np.ndarray:
  """The places (K, N) among those found where the field does not make sense."""
  if problem.sensible is None:
    return np.zeros((0, 0), complex)
  return np.array([place.z for place in places[problem.sensible[0]] if not place.value > 0])


class _Starts(NamedTuple):
  """S sampled points: z (S, N), which extreme is searched for (S,), how bad it is there (S,)."""

  z: np.ndarray
  extreme: np.ndarray
  value: np.ndarray

  @classmethod
  def of(cls, badness: np.ndarray, weight: np.ndarray, z: np.ndarray) -> "_Starts":
    parts = []
    for index, bad in enumerate(badness):
      bad = np.where(weight > 0, bad, -np.inf)
      worst = np.argsort(-bad, kind="stable")[:_STARTS]
      parts.append((z[worst], np.full(len(worst), index), bad[worst]))
    return cls(*(np.concatenate(part) for part in zip(*parts)))


def _climb(
  variety: Any, z: np.ndarray, value: np.ndarray, badness: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
  """Where random steps lead that are taken if they make it worse: points (S, N), badness (S,)."""
  random = np.random.default_rng(0)
  length = np.full(len(z), _LENGTH)
  each = np.arange(len(z))
  for _ in range(_ROUNDS):
    steps = random.normal(size=(2, len(z), _STEPS, z.shape[1])) / np.sqrt(2 * variety.dimension)
    steps = length[:, None, None] * (steps[0] + 1j * steps[1])
    with parallel.geometry_device():
      flat = walk(variety, z.repeat(_STEPS, 0), np.ascontiguousarray(steps.reshape(-1, z.shape[1])))
    tried = np.asarray(flat).reshape(steps.shape)
    found = badness(tried)
    best = np.argmax(found, axis=1)
    better = found[each, best] > value
    z = np.where(better[:, None], tried[each, best], z)
    value = np.where(better, found[each, best], value)
    length = np.minimum(np.where(better, _LONGER, _SHORTER) * length, 2 * _LENGTH)
  return z, value


def _apart(variety, z, value, sampled, sign):
  """The places (Place, ..) of points, without those that are near to worse ones."""
  places = []
  for i in np.argsort(-value, kind="stable"):
    if all(_distance(variety, z[i], place.z) > _APART for place in places):
      unit = np.concatenate([z[i][s] / np.linalg.norm(z[i][s]) for s in variety.factor_slices])
      places.append(Place(unit, float(sign * value[i]), float(sign * sampled[i])))
  return places


def _distance(variety, z, y):
  """The largest sine of the angles between the factors of two points."""
  cosines = [
    abs(np.vdot(z[s], y[s])) / (np.linalg.norm(z[s]) * np.linalg.norm(y[s]))
    for s in variety.factor_slices
  ]
  return np.sqrt(max(0.0, 1 - min(cosines) ** 2))
