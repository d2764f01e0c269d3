"""How Ricci-flat a metric is, from its values at held-out points, each with a standard error.

Points of one slice are correlated, so slices, not points, are the independent observations. Every
smooth estimator is linearised, theta_hat - theta = sum_i u_i, and its standard error is that of a
sum over C independent slices,

  SE^2 = C / (C - 1) sum_c (sum_{i in slice c} u_i)^2.

kappa is estimated on the same points as everything that contains eta = det g / (kappa |Omega|^2);
the u_i below include what that does. Points of weight 0 belong to slices that the sampler dropped,
or are padding: they count nowhere.
"""

import math
from typing import NamedTuple

import chex
import numpy as np

_QUANTILES = (0.5, 0.9, 0.99)
# Groups of slices left out in turn for the errors of quantiles: more would make the errors less
# noisy (14 % now) but, a quantile being no smooth function of the sample, biased upwards.
_GROUPS = 25
# A standard error below this part of its value is rounding, not statistics.
ROUNDING = 1e-12


class PointValues(NamedTuple):
  """Per-point numbers a certificate is made of, numpy float64 arrays of shape (B,).

  Attributes:
    determinant: det g in local coordinates.
    least_eigenvalue: the least eigenvalue of g in local coordinates; its sign is chart independent.
    weight: |Omega|^2 over the sampling density.
    omega: |Omega|^2.
  """

  determinant: np.ndarray
  least_eigenvalue: np.ndarray
  weight: np.ndarray
  omega: np.ndarray


class Measure(NamedTuple):
  """An estimate and its standard error; nan where one slice alone cannot tell.

  Its string is "0.01234 ± 0.00056": two digits of the error, as many decimals of the value.
  """

  value: float
  stderr: float

  def __str__(self) -> str:
    return format_measure(self.value, self.stderr)


def format_measure(value: float | None, stderr: float | None) -> str:
  """Formats value ± stderr to two digits of the error: 0.01234 ± 0.00056, (5.20 ± 0.31)e-07."""
  if value is None or not math.isfinite(value):
    return "unknown"
  if stderr is None or not math.isfinite(stderr):
    return f"{value:.4g}"
  if stderr <= ROUNDING * abs(value):
    return f"{value:.10g} ± 0"
  exponent = math.floor(math.log10(max(abs(value), stderr)))
  if -4 <= exponent < 7:
    exponent = 0
  value, stderr = value / 10**exponent, stderr / 10**exponent
  decimals = max(0, 1 - math.floor(math.log10(stderr)))
  number = f"{value:.{decimals}f} ± {stderr:.{decimals}f}"
  return number if exponent == 0 else f"({number})e{exponent:+03d}"


def weighted_mean(weight: np.ndarray, f: np.ndarray, points_per_slice: int) -> Measure:
  """The ratio estimator <f> = sum w f / sum w, with u_i = w_i (f_i - <f>) / sum w.

  Args:
    weight: (B,) float64, not negative; 0 leaves a point out, whatever its f.
    f: (B,) float64.
    points_per_slice: consecutive points that make one slice; the last slice may be cut short.

  Returns:
    The estimate.
  """
  chex.assert_rank([weight, f], 1)
  chex.assert_equal_shape([weight, f])
  kept = weight > 0
  w, f, slices = weight[kept], f[kept], _slices(kept, points_per_slice)
  mean = np.sum(w * f) / np.sum(w)
  return Measure(float(mean), _stderr(w * (f - mean) / np.sum(w), slices))


def sigma(values: PointValues, points_per_slice: int) -> Measure:
  """sigma = < |1 - eta| >; see measure_all."""
  w, eta, slices = _eta(values, points_per_slice)
  return _sigma(w, eta, slices)


def measure_all(values: PointValues, points_per_slice: int) -> dict[str, Measure]:
  """Every measure of a metric that needs its values only.

  - sigma = < |1 - eta| >, u = (w / sum w) (|1 - eta| - sigma + < sign(1 - eta) eta > (eta - 1)).
  - E = < (eta - 1)^2 >, u = (w / sum w) ((eta - 1)^2 - E - 2 E (eta - 1)).
  - abs_eta_minus_1_q50, _q90, _q99: weighted quantiles of |eta - 1|; standard errors by the
    jackknife that leaves out one of 25 groups of slices at a time, kappa included; up to a third
    too large far out in the tail or where there are only some hundreds of slices.
  - max_abs_eta_minus_1, min_eigenvalue: extremes over the points, weights ignored. Their standard
    errors are those of the bootstrap over slices in its limit of infinitely many repetitions,
    without the error of kappa. They say roughly by how much the extreme differs from sample to
    sample (the bootstrap of an extreme is not consistent; two thirds of the true spread is
    typical), and nothing about how far the extreme over the whole manifold lies beyond: the value
    is a lower bound of that maximum, an upper bound of that minimum. min_eigenvalue depends on the
    local coordinates, its sign does not.
  - volume = integral det g d^{2n}x, the mean of w det g / |Omega|^2 over the points;
    omega_integral = integral |Omega|^2, the mean of w; kappa = their ratio.
  - effective_sample_size = (sum w)^2 / sum w^2, of points, as if they were independent.

  Args:
    values: per-point numbers, arrays (B,) float64.
    points_per_slice: consecutive points that make one slice; the last slice may be cut short.

  Returns:
    name -> Measure.
  """
  w, eta, slices = _eta(values, points_per_slice)
  weight, count = values.weight, (values.weight > 0).astype(np.float64)
  ratio = values.determinant / values.omega
  deviation = np.abs(eta - 1)
  square = np.average((eta - 1) ** 2, weights=w)
  square_terms = w / w.sum() * ((eta - 1) ** 2 - square - 2 * square * (eta - 1))
  size = w.sum() ** 2 / np.sum(w**2)
  size_terms = size * (2 * w / w.sum() - w**2 / np.sum(w**2) - 1 / len(w))
  least = _maximum(-values.least_eigenvalue[values.weight > 0], slices)
  return {
    "sigma": _sigma(w, eta, slices),
    "E": Measure(float(square), _stderr(square_terms, slices)),
    "max_abs_eta_minus_1": _maximum(deviation, slices),
    **_quantiles(w, eta, slices),
    "min_eigenvalue": Measure(-least.value, least.stderr),
    "volume": weighted_mean(count, weight * ratio, points_per_slice),
    "omega_integral": weighted_mean(count, weight, points_per_slice),
    "kappa": weighted_mean(weight, ratio, points_per_slice),
    "effective_sample_size": Measure(float(size), _stderr(size_terms, slices)),
  }


def relative_volume_form(values: PointValues) -> np.ndarray:
  """eta = det g / (kappa |Omega|^2) (B,), kappa from the same points so that <eta> = 1."""
  chex.assert_rank(list(values), 1)
  chex.assert_equal_shape(list(values))
  ratio = values.determinant / values.omega
  kept = values.weight > 0
  return ratio / np.average(ratio[kept], weights=values.weight[kept])


def _eta(values: PointValues, points_per_slice: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Weights, eta and slice numbers of the points that count."""
  kept = values.weight > 0
  return (values.weight[kept], relative_volume_form(values)[kept], _slices(kept, points_per_slice))


def _slices(kept: np.ndarray, points_per_slice: int) -> np.ndarray:
  """Numbers 0, 1, .. of the slices that kept points belong to."""
  number = np.flatnonzero(kept) // points_per_slice
  return np.unique(number, return_inverse=True)[1]


def _stderr(terms: np.ndarray, slices: np.ndarray) -> float:
  """The standard error of sum(terms), terms of different slices independent."""
  count = slices[-1] + 1
  if count < 2:
    return math.nan
  return math.sqrt(count / (count - 1) * np.sum(np.bincount(slices, terms) ** 2))


def _sigma(w: np.ndarray, eta: np.ndarray, slices: np.ndarray) -> Measure:
  deviation = np.abs(1 - eta)
  mean = np.average(deviation, weights=w)
  through_kappa = np.average(np.sign(1 - eta) * eta, weights=w)
  terms = w / w.sum() * (deviation - mean + through_kappa * (eta - 1))
  return Measure(float(mean), _stderr(terms, slices))


def _quantiles(w: np.ndarray, eta: np.ndarray, slices: np.ndarray) -> dict[str, Measure]:
  names = [f"abs_eta_minus_1_q{100 * q:.0f}" for q in _QUANTILES]
  value = _quantile_values(w, eta)
  groups = min(_GROUPS, slices[-1] + 1)
  if groups < 2:
    return {name: Measure(float(v), math.nan) for name, v in zip(names, value)}
  left_out = np.array(
    [_quantile_values(w[slices % groups != g], eta[slices % groups != g]) for g in range(groups)]
  )
  spread = left_out - left_out.mean(0)
  stderr = np.sqrt((groups - 1) / groups * np.sum(spread**2, 0))
  return {name: Measure(float(v), float(s)) for name, v, s in zip(names, value, stderr)}


def _quantile_values(w: np.ndarray, eta: np.ndarray) -> np.ndarray:
  deviation = np.abs(eta / np.average(eta, weights=w) - 1)
  return np.quantile(deviation, _QUANTILES, weights=w, method="inverted_cdf")


def _maximum(x: np.ndarray, slices: np.ndarray) -> Measure:
  """The maximum of x (B,) and its standard error over all bootstrap samples of the C slices.

  The maximum of a bootstrap sample is the k-th largest of the C slice maxima with probability
  (1 - (k - 1)/C)^C - (1 - k/C)^C.
  """
  count = slices[-1] + 1
  maxima = np.full(count, -np.inf)
  np.maximum.at(maxima, slices, x)
  if count < 2:
    return Measure(float(maxima[0]), math.nan)
  below = (1 - np.arange(count + 1) / count) ** count
  probability = below[:-1] - below[1:]
  ordered = np.sort(maxima)[::-1]
  mean = np.sum(probability * ordered)
  variance = np.sum(probability * (ordered - mean) ** 2)
  return Measure(float(ordered[0]), math.sqrt(variance))
