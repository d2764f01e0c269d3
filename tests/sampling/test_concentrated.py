"""Concentrated points: exact weights whatever the foci, and less variance around the right ones."""

import jax
import numpy as np
import pytest

from tests.sampling.members import member
from tests.sampling.statistics import mean
from trainer.geometry import members
from trainer.geometry.dwork import exact_omega_integral
from trainer.geometry.foci import Foci
from trainer.geometry.variety import Variety
from trainer.sampling.concentrated import ConcentratedSampler
from trainer.sampling.points import dropped_slices
from trainer.sampling.sampler import Sampler


def some_foci(variety, radius=0.2):
  """Around three points of the variety: weights are exact whether or not anything is singular."""
  sampler = Sampler(variety)
  centers = np.array(sampler.block(jax.random.key(7), 0).z[:: sampler.points_per_slice][:3])
  for s in variety.factor_slices:
    centers[:, s] /= np.linalg.norm(centers[:, s], axis=1, keepdims=True)
  return Foci(centers, np.full(3, radius))


def distance(z, centers):
  """Sine of the angle to the nearest centre."""
  cosine = np.abs(z @ centers.conj().T) / np.linalg.norm(z, axis=1)[:, None]
  return np.sqrt(1 - np.max(cosine, axis=1) ** 2)


def test_integral_omega_and_where_points_go():
  variety = Variety((3,), (members.fermat(4),), (1.0,))
  sampler = ConcentratedSampler(variety, some_foci(variety))
  points = jax.tree.map(np.asarray, sampler.block(jax.random.key(0), 0))
  value, error = mean(points.weight, sampler.points_per_slice)
  assert abs(value - exact_omega_integral(variety)) < 3 * error < 1
  uniform = Sampler(variety).block(jax.random.key(0), 0)
  close = [
    np.mean(distance(np.asarray(p.z), sampler.foci.centers) < 0.2) for p in (points, uniform)
  ]
  assert close[0] > 3 * close[1]
  # The same integral from points close to the foci alone.
  values = [
    mean(
      np.asarray(p.weight) * (distance(np.asarray(p.z), sampler.foci.centers) < 0.3),
      sampler.points_per_slice,
    )
    for p in (points, uniform)
  ]
  assert abs(values[0][0] - values[1][0]) < 3 * np.hypot(values[0][1], values[1][1])
  assert values[0][1] < values[1][1]


@pytest.mark.parametrize("name", ["K3 in P1 x P2", "two quadrics"])
def test_weights_on_products_and_complete_intersections(name):
  """The means of weights and of functions agree with uniform slices."""
  variety = {
    "K3 in P1 x P2": members.random_variety((1, 2), ((2,), (3,)), (1, 1), seed=1),
    "two quadrics": members.fermat_variety((3,), ((2, 2),), (1,)),
  }[name]
  concentrated = ConcentratedSampler(variety, some_foci(variety))
  results = []
  for sampler in (concentrated, Sampler(variety)):
    points = jax.tree.map(np.asarray, sampler.block(jax.random.key(1), 0))
    assert dropped_slices(points, sampler.points_per_slice) == 0
    share = np.abs(points.z[:, 0]) ** 2 / np.sum(np.abs(points.z) ** 2, axis=1)
    results.append(
      [
        mean(points.weight * f, sampler.points_per_slice)
        for f in (np.ones(len(share)), share, share**2)
      ]
    )
  for (value, error), (other, other_error) in zip(*results):
    assert abs(value - other) < 3.5 * np.hypot(error, other_error) < 0.2 * other


def test_adapted_shares_lower_the_variance():
  variety = Variety((2,), (members.fermat(3),), (1.0,))
  sampler = ConcentratedSampler(variety, some_foci(variety, radius=0.05))

  def terms(points):
    """An integrand that lies near the first focus alone."""
    points = jax.tree.map(np.asarray, points)
    return points.weight * np.exp(-((distance(points.z, sampler.foci.centers[:1]) / 0.3) ** 2))

  pilot = sampler.block(jax.random.key(0), 0)
  before = mean(terms(pilot), 3)
  sampler.adapt(pilot, terms(pilot) ** 2)
  assert np.sum(sampler.shares) == pytest.approx(1) and sampler.shares[0] >= 0.2
  per_focus = sampler.shares[1:].reshape(sampler.scales.shape).sum(axis=1)
  assert per_focus[0] > 2 * max(per_focus[1:])
  after = mean(terms(sampler.block(jax.random.key(1), 0)), 3)
  assert abs(after[0] - before[0]) < 3 * np.hypot(after[1], before[1])
  assert after[1] < 0.8 * before[1]


def test_points_depend_on_key_and_index_alone():
  variety, _ = member("quintic")
  sampler = ConcentratedSampler(variety, some_foci(variety))
  first = sampler.block(jax.random.key(0), 1)
  again = ConcentratedSampler(variety, some_foci(variety)).block(jax.random.key(0), 1)
  np.testing.assert_array_equal(first.z, again.z)
  assert not np.isin(first.weight, sampler.block(jax.random.key(0), 2).weight).any()
