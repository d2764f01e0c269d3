"""Controls: exact means make errors smaller, no estimate wrong, and nothing out of rounding."""

import math

import numpy as np
import pytest

from trainer.sampling.control_variates import controlled_means

_SLICE = 4


def _sample(rng, num_slices):
  """f of mean 2, two controls of means 1 and -3 that explain most of it, one that explains none."""
  own = rng.normal(size=(3, num_slices, _SLICE)) + 0.5 * rng.normal(size=(3, num_slices, 1))
  a, b, noise = own.reshape(3, -1)
  f = np.stack([2 + a - 0.5 * b + 0.2 * noise, noise], axis=1)
  controls = np.stack([1 + a, -3 + b, rng.normal(size=a.shape)], axis=1)
  return f, controls, np.array([1.0, -3.0, 0.0]), np.arange(len(a)) // _SLICE


def test_errors_are_smaller_and_match_the_spread_of_repetitions():
  rng = np.random.default_rng(0)
  found = [controlled_means(*_sample(rng, 80)) for _ in range(400)]
  for column, mean in enumerate((2.0, 0.0)):
    value = np.array([f[column].measure.value for f in found])
    stderr = np.array([f[column].measure.stderr for f in found])
    assert abs(np.mean(value) - mean) < 4 * np.std(value) / math.sqrt(len(value))
    assert math.sqrt(np.mean(stderr**2)) == pytest.approx(np.std(value), rel=0.13)
  gains = [f[0].gain for f in found]
  assert np.min(gains) > 3
  # Where nothing is explained no error gets larger.
  assert all(1 <= f[1].gain < 1.2 for f in found)
  plain = found[0][0].plain
  assert plain.stderr == pytest.approx(gains[0] * found[0][0].measure.stderr)


def test_constant_and_dependent_controls_do_no_harm():
  """A constant control is known but for rounding, which must not be taken for what varies."""
  f, controls, means, slices = _sample(np.random.default_rng(1), 200)
  rounding = 1e-16 * (1 + np.random.default_rng(2).normal(size=(len(f), 1)))
  more = np.concatenate([controls, 5 + 5 * rounding, 2 * controls[:, :1], 0 * rounding], axis=1)
  expected = controlled_means(f, controls, means, slices)[0]
  result = controlled_means(f, more, np.array([*means, 5, 2 * means[0], 0]), slices)[0]
  assert result.measure == pytest.approx(expected.measure, rel=1e-6)


@pytest.mark.parametrize("num_slices", [1, 9])
def test_too_few_slices_take_no_controls(num_slices):
  f, controls, means, slices = _sample(np.random.default_rng(3), num_slices)
  for column, estimate in zip(f.T, controlled_means(f, controls, means, slices)):
    assert estimate.measure.value == pytest.approx(np.mean(column))
    assert math.isnan(estimate.measure.stderr) == (num_slices == 1)


def test_numbers_of_no_spread_are_exact():
  f, controls, means, slices = _sample(np.random.default_rng(4), 30)
  (estimate,) = controlled_means(0 * f[:, :1] + 3, controls, means, slices)
  assert estimate.measure == (3, 0) and estimate.gain == 1
