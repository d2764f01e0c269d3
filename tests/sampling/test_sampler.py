import jax
import numpy as np
import pytest

from tests.sampling.statistics import mean, sample
from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.variety import Variety
from trainer.sampling import sampler as samplers
from trainer.sampling.points import dropped_slices, effective_sample_size
from trainer.sampling.sampler import Sampler


def hypersurface(q):
  return Variety((q.num_coordinates - 1,), (q,), (1.0,))


FERMAT = 47.29756091865622


@pytest.mark.parametrize(
  "polynomial, exact",
  [
    (members.fermat(3), 2.70287609),
    (members.fermat(4), 11.81704501),
    (members.fermat(5), FERMAT),
    (members.dwork(5, 0.5), 0.953724213961 * FERMAT),
    (members.dwork(5, 1.035 - 0.02j), 0.823187199383 * FERMAT),
    (members.dwork(5, 5), 0.237249959095 * FERMAT),
  ],
  ids=["cubic", "quartic", "quintic", "dwork 0.5", "dwork 1.035-0.02i", "dwork 5"],
)
def test_integral_of_omega(polynomial, exact):
  variety = hypersurface(polynomial)
  sampler, points = sample(variety, 200_000)
  assert dropped_slices(points, sampler.points_per_slice) == 0
  value, error = mean(points.weight, sampler.points_per_slice)
  assert abs(value - exact) < 3 * error
  assert error < 0.02 * exact
  assert np.max(samplers.residual(variety, points.z.T)) < 1e-13
  size = np.abs(points.z)
  assert np.all(size.max(axis=1) == 1)
  # |Omega|^2 in the chart of the best coordinate besides the patch.
  slopes = np.abs([q(points.z[:200].T) for q in variety.gradients[0]])
  slopes[points.z[:200].T == 1] = 0
  np.testing.assert_allclose(points.omega[:200], slopes.max(axis=0) ** -2, rtol=1e-12)
  assert 0.1 < effective_sample_size(points.weight) / len(points.weight) < 1


def test_a_block_depends_on_key_and_index_only():
  variety = hypersurface(members.dwork(3, 0.3))
  key = jax.random.key(7)
  once = Sampler(variety).block(key, 5)
  elsewhere = jax.device_put(key, jax.devices()[-1])
  again = Sampler(variety).block(elsewhere, 5)
  assert again.z.devices() == {jax.devices()[-1]}
  for a, b in zip(once, again):
    np.testing.assert_array_equal(a, b)
  assert not np.isin(Sampler(variety).block(key, 6).weight, once.weight).any()
  assert not np.isin(Sampler(variety).block(jax.random.key(8), 5).weight, once.weight).any()


def test_points_of_a_slice_lie_on_a_line_and_differ():
  sampler, points = sample(hypersurface(members.fermat(4)), 1)
  slices = points.z.reshape(-1, sampler.points_per_slice, 4)
  singular_values = np.linalg.svd(slices)[1]
  assert np.all(singular_values[:, 2] < 1e-12)
  assert np.all(singular_values[:, 1] > 1e-6)


def test_incomplete_slices_lose_their_weight_and_stay_finite():
  variety = hypersurface(members.fermat(3))
  sampler, points = sample(variety, 1)
  z = points.z.reshape(-1, 3, 3).transpose(2, 1, 0)[:, :, :50].copy()
  z[1, 0, 10] += 1e-9  # inaccurate
  z[:, 2, 20] = z[:, 1, 20] * (1 + 1j)  # found twice
  z[:, :, 30] = np.nan  # lost
  checked = samplers.finish(variety, sampler.types, z)
  weight = np.asarray(checked.weight).reshape(50, 3)
  assert dropped_slices(checked, 3) == 3
  np.testing.assert_array_equal(np.flatnonzero(weight.sum(axis=1) == 0), [10, 20, 30])
  kept = np.delete(np.arange(50), [10, 20, 30])
  np.testing.assert_allclose(weight[kept], points.weight.reshape(-1, 3)[kept], rtol=1e-12)
  assert all(np.all(np.isfinite(part)) for part in checked)
  assert np.max(samplers.residual(variety, np.asarray(checked.z).T)) < 1e-13


def test_float64_is_required():
  with jax.enable_x64(False), pytest.raises(UserError, match="float64"):
    Sampler(hypersurface(members.fermat(3))).block(jax.random.key(0), 0)
