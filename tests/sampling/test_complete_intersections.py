"""Every slice of every configuration, completely, against exact topology and reference values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.sampling.members import MEMBERS, member
from tests.sampling.statistics import ratio, sample
from trainer.geometry import fubini_study, members, patches, topology
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.smoothness import find_singular_point
from trainer.geometry.variety import Variety
from trainer.moduli.weil_petersson import weil_petersson
from trainer.sampling import homotopy, weights
from trainer.sampling import sampler as samplers
from trainer.sampling.points import dropped_slices, effective_sample_size
from trainer.sampling.slices import SliceType, slice_types


def determinants(variety, points, moduli):
  """det g_FS at the points in their charts, for each row of Kaehler moduli."""

  @jax.jit
  @jax.vmap
  def factors(z):
    pullback = patches.pullback(variety, z, patches.choose_chart(variety, z))
    return fubini_study.factor_metrics(variety.ambient, z, pullback)

  metrics = np.asarray(factors(points.z))
  return [np.linalg.det(np.einsum("i,biac->bac", t, metrics)).real for t in moduli]


def some_types(variety, types, num_slices):
  """Points from slices of some of the types only, which takes less compilation than from all."""
  frames = samplers.random_frames(variety, types, num_slices, jax.random.key(0), 0)
  z = [samplers.solve_slices(variety, t, f) for t, f in zip(types, frames)]
  return jax.tree.map(np.asarray, samplers.finish(variety, types, jnp.concatenate(z, axis=1)))


@pytest.mark.parametrize("name", MEMBERS)
def test_volume_and_number_of_solutions(name):
  variety, cluster = member(name)
  types = slice_types(variety.ambient, variety.degrees)
  assert sum(t.num_points for t in types) == cluster
  if name == "(P2)^3":
    types = types[3:4]  # of seven, each compiling for seconds
  cluster = sum(t.num_points for t in types)
  points = some_types(variety, types, 10_000 // cluster)
  assert dropped_slices(points, cluster) <= 1e-3 * (10_000 // cluster)
  assert np.max(samplers.residual(variety, points.z.T)) < 1e-12
  moduli = [np.ones(len(variety.ambient)), 1 + 0.7 * np.arange(len(variety.ambient))]
  kept = points.weight > 0
  for t, det in zip(moduli, determinants(variety, points, moduli)):
    exact = topology.volume(variety.ambient, variety.degrees, t)
    value, error = ratio(points.weight * det / points.omega, 1.0 * kept, cluster)
    assert abs(value - exact) < 3.5 * error + 1e-12
    assert error < 0.01 * exact


def test_solutions_lie_on_their_slices():
  variety = members.fermat_variety((3,), ((2, 2),), (1.0,))
  (slice_type,) = slice_types(variety.ambient, variety.degrees)
  assert slice_type == SliceType((2,), 4)
  frames = samplers.random_frames(variety, (slice_type,), 200, jax.random.key(3), 0)[0]
  z = np.asarray(samplers.solve_slices(variety, slice_type, frames))
  assert z.shape == (4, 4, 200)
  # Rank 3 with the frame: the fourth singular value of (frame, solution) vanishes.
  frame = np.asarray(frames[0]).transpose(2, 0, 1)
  for k in range(4):
    stacked = np.concatenate([frame, z[:, k].T[:, None]], axis=1)
    assert np.max(np.linalg.svd(stacked)[1][:, 3]) < 1e-12
  assert np.max(samplers.residual(variety, z)) < 1e-14
  for a in range(4):
    for b in range(a):
      cosine = abs(np.sum(z[:, a].conj() * z[:, b], axis=0)) / (
        np.linalg.norm(z[:, a], axis=0) * np.linalg.norm(z[:, b], axis=0)
      )
      assert np.all(cosine < 1 - 1e-12)


def test_lost_paths_are_not_a_number(monkeypatch):
  variety = members.fermat_variety((3,), ((2, 2),), (1.0,))
  (slice_type,) = slice_types(variety.ambient, variety.degrees)
  frames = samplers.random_frames(variety, (slice_type,), 30, jax.random.key(3), 0)[0]
  monkeypatch.setattr(homotopy, "_CORRECTIONS", (15,))
  monkeypatch.setattr(homotopy, "_MISSES", (0.06,))
  z = np.asarray(jax.jit(homotopy.solve, static_argnums=(0, 1))(variety, slice_type, frames))
  lost = np.isnan(z).any(axis=0)
  assert 0 < lost.sum() < lost.size
  assert np.max(samplers.residual(variety, z[:, ~lost])) < 1e-12
  points = samplers.finish(variety, (slice_type,), jnp.asarray(z))
  assert dropped_slices(points, 4) == np.count_nonzero(lost.any(axis=0))


@pytest.mark.parametrize("name", ["bicubic", "Schoen"])
def test_all_slice_types_together_are_worth_more_points(name):
  """Multiple importance sampling: less variance than the best slice type alone."""
  variety, cluster = member(name)
  sampler, points = sample(variety, 1)
  over_points = lambda types: np.asarray(
    jax.jit(jax.vmap(lambda z: weights.weight(variety, types, z, patches.gradient(variety, z))))(
      points.z
    )
  )
  together = effective_sample_size(points.weight) / len(points.weight)
  first, sizes = 0, []
  for t in sampler.types:
    chosen = (np.arange(len(points.z)) % cluster >= first) & (
      np.arange(len(points.z)) % cluster < first + t.num_points
    )
    alone = over_points((t,))[chosen]
    sizes.append(effective_sample_size(alone) / len(alone))
    first += t.num_points
  assert together > 1.1 * max(sizes)


def test_weil_petersson_on_the_dwork_family():
  variety = Variety((4,), (members.dwork(5, 0.5),), (1.0,))
  sampler, points = sample(variety, 40_000)
  moduli = weil_petersson(
    variety, (Polynomial(((1,) * 5,), (-5,)),), points, sampler.points_per_slice
  )
  assert abs(moduli.metric - 0.190027711556) < 3 * moduli.metric_stderr < 0.01
  assert abs(moduli.yukawa - 1.71309298431) < 3 * moduli.yukawa_stderr < 0.1


def test_weil_petersson_of_two_cubics():
  """One parameter in both equations; z0^3+z1^3+z2^3-3 psi z3 z4 z5 and cyclically, psi = 1/2."""
  variety, cluster = member("cubic pair")
  _, points = sample(variety, 20_000)
  direction = (Polynomial(((0, 0, 0, 1, 1, 1),), (-3,)), Polynomial(((1, 1, 1, 0, 0, 0),), (-3,)))
  moduli = weil_petersson(variety, direction, points, cluster)
  assert abs(moduli.metric - 0.602619327836) < 3 * moduli.metric_stderr < 0.06
  assert abs(moduli.yukawa - 1.04629345175) < 3 * moduli.yukawa_stderr < 0.1


def test_singular_members_of_every_kind_are_caught():
  # Bilinear with a zero: the rank drops where both other equations allow it.
  sparse = Polynomial(((1, 0, 0, 0, 1, 0, 0, 0), (0, 1, 0, 0, 0, 1, 0, 0)), (1, 2))
  variety, _ = member("Tian-Yau")
  singular = Variety(variety.ambient, variety.polynomials[:2] + (sparse,), variety.moduli)
  assert find_singular_point(singular) is not None
  assert find_singular_point(variety) is None


def test_members():
  with pytest.raises(ValueError, match="not Calabi-Yau"):
    members.random_variety((1, 3), ((2,), (3,)), (1, 1), seed=0)
  with pytest.raises(ValueError, match="one row for each"):
    members.random_variety((1, 3), ((2,),), (1, 1), seed=0)
  with pytest.raises(ValueError, match="no Fermat-like member"):
    members.fermat_variety((5,), ((2, 4),), (1,))
  variety = members.random_variety((1, 3), ((2,), (4,)), (1, 2), seed=3)
  assert variety == members.random_variety((1, 3), ((2,), (4,)), (1, 2), seed=3)
  assert variety != members.random_variety((1, 3), ((2,), (4,)), (1, 2), seed=4)
  assert variety.degrees == ((2,), (4,))
