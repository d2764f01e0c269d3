"""Values by hand; standard errors against the spread over independent repetitions."""

import math

import numpy as np
import pytest

from trainer.metric import measures
from trainer.metric.measures import PointValues
from trainer.sampling import statistics
from trainer.sampling.statistics import Measure

_POINTS_PER_SLICE = 5


def _values(weight, eta, omega=None, least=None):
  omega = np.ones(len(weight)) if omega is None else np.asarray(omega, float)
  least = np.ones(len(weight)) if least is None else np.asarray(least, float)
  return PointValues(np.asarray(eta, float) * omega, least, np.asarray(weight, float), omega)


def _synthetic(rng, num_slices):
  """Weights and eta that are correlated with each other and within a slice; some slices dropped."""
  shared = rng.normal(size=(num_slices, 1))
  own = rng.normal(size=(num_slices, _POINTS_PER_SLICE))
  field = (shared + own) / math.sqrt(2)
  weight = np.exp(0.5 * rng.normal(size=own.shape) + 0.3 * field)
  weight[rng.uniform(size=num_slices) < 0.02] = 0
  eta = 1.7 * np.exp(0.3 * field)
  omega = np.exp(rng.normal(size=own.shape))
  least = np.exp(0.2 * field)
  return _values(weight.ravel(), eta.ravel(), omega.ravel(), least.ravel())


def test_measures_by_hand():
  # kappa = (1 * 2 + 3 * 6) / 4 = 5, so eta / kappa = 0.4, 1.2 and |eta - 1| = 0.6, 0.2.
  values = _values([1, 3], [2, 6], omega=[0.5, 4], least=[0.25, 0.5])
  result = measures.measure_all(values, 1)
  expected = {
    "sigma": 0.3,
    "E": 0.12,
    "max_abs_eta_minus_1": 0.6,
    "abs_eta_minus_1_q50": 0.2,
    "abs_eta_minus_1_q90": 0.6,
    "abs_eta_minus_1_q99": 0.6,
    "min_relative_eigenvalue": 0.25,
    "volume": 10,
    "omega_integral": 2,
    "kappa": 5,
    "effective_sample_size": 1.6,
  }
  assert {name: measure.value for name, measure in result.items()} == pytest.approx(expected)
  # Two slices: SE of kappa = sqrt(2 (u1^2 + u2^2)), u = w (r - 5) / 4 = -3/4, 3/4.
  assert result["kappa"].stderr == pytest.approx(1.5)
  # volume: w r = 2, 18; u = -4, 4.
  assert result["volume"].stderr == pytest.approx(math.sqrt(2 * 32))
  # The bootstrap maximum of two is the larger with probability 3/4: sd = 0.4 sqrt(3)/4.
  assert result["max_abs_eta_minus_1"].stderr == pytest.approx(0.4 * math.sqrt(3) / 4)


def test_correlated_points_of_a_slice_count_once():
  """Copying every point five times, as one slice, adds no information."""
  rng = np.random.default_rng(0)
  w, f = rng.uniform(1, 2, 40), rng.normal(size=40)
  once = statistics.weighted_mean(w, f, 1)
  copied = statistics.weighted_mean(w.repeat(5), f.repeat(5), 5)
  assert copied == pytest.approx(once)
  assert statistics.weighted_mean(w.repeat(5), f.repeat(5), 1).stderr < 0.6 * once.stderr


def test_last_slice_may_be_cut_short():
  w, f = np.ones(5), np.array([1.0, 1, 0, 0, 4])
  result = statistics.weighted_mean(w, f, 2)
  # <f> = 1.2; slice sums of (f - 1.2)/5: -0.08, -0.48, 0.56.
  assert result.value == pytest.approx(1.2)
  assert result.stderr == pytest.approx(math.sqrt(1.5 * (0.08**2 + 0.48**2 + 0.56**2)))


def test_dropped_points_count_nowhere():
  values = _synthetic(np.random.default_rng(1), 300)
  kept = np.repeat(
    np.any(values.weight.reshape(-1, _POINTS_PER_SLICE) > 0, axis=1), _POINTS_PER_SLICE
  )
  assert not kept.all()
  spoiled = values._replace(
    determinant=np.where(kept, values.determinant, np.nan),
    relative_eigenvalue=np.where(kept, values.relative_eigenvalue, -np.inf),
  )
  without = PointValues(*(a[kept] for a in values))
  result = measures.measure_all(spoiled, _POINTS_PER_SLICE)
  expected = measures.measure_all(without, _POINTS_PER_SLICE)
  for name, measure in expected.items():
    assert result[name] == pytest.approx(measure), name


def test_standard_errors_match_the_spread_of_repetitions():
  rng = np.random.default_rng(2)
  results = [measures.measure_all(_synthetic(rng, 250), _POINTS_PER_SLICE) for _ in range(400)]
  # 400 repetitions know the spread to 4 %. What measure_all's docstring admits gets more room.
  tolerances = {
    "max_abs_eta_minus_1": 0.5,
    "min_relative_eigenvalue": 0.5,
    "abs_eta_minus_1_q50": 0.25,
    "abs_eta_minus_1_q90": 0.25,
    "abs_eta_minus_1_q99": 0.45,
  }
  for name in results[0]:
    value = np.array([r[name].value for r in results])
    stderr = np.array([r[name].stderr for r in results])
    ratio = math.sqrt(np.mean(stderr**2)) / np.std(value)
    assert ratio == pytest.approx(1, abs=tolerances.get(name, 0.13)), (name, ratio)


def test_the_error_of_kappa_reaches_sigma():
  """Without it the standard error of sigma is wrong by half in this sample."""
  rng = np.random.default_rng(3)
  skewed = lambda: _values(np.ones(500), rng.exponential(size=500) ** 2)
  results = [measures.sigma(skewed(), 1) for _ in range(300)]
  spread = np.std([r.value for r in results])
  stderr = np.mean([r.stderr for r in results])
  values = skewed()
  deviation = np.abs(1 - measures.relative_volume_form(values))
  naive = statistics.weighted_mean(values.weight, deviation, 1)
  assert stderr == pytest.approx(spread, rel=0.15)
  assert naive.stderr > 1.5 * spread


def test_sigma_is_the_one_of_measure_all():
  values = _synthetic(np.random.default_rng(4), 20)
  expected = measures.measure_all(values, _POINTS_PER_SLICE)["sigma"]
  assert measures.sigma(values, _POINTS_PER_SLICE) == expected


def test_one_slice_has_no_standard_error():
  result = measures.measure_all(_values([1, 2], [1, 2]), 2)
  assert all(math.isnan(measure.stderr) for measure in result.values())


@pytest.mark.parametrize(
  "value, stderr, text",
  [
    (0.0123449, 0.00056, "0.01234 ± 0.00056"),
    (0.8333, 0.0021, "0.8333 ± 0.0021"),
    (14523.4, 118.0, "14523 ± 118"),
    (5.2e-7, 3.1e-8, "(5.20 ± 0.31)e-07"),
    (-128.4, 2.25, "-128.4 ± 2.2"),
    (5 / 6, 1e-17, "0.8333333333 ± 0"),
    (0.0, 0.0, "0 ± 0"),
    (0.25, math.nan, "0.25"),
    (math.nan, 0.1, "unknown"),
  ],
)
def test_format(value, stderr, text):
  assert str(Measure(value, stderr)) == text
