"""Estimates with standard errors from points that come in slices.

Points of one slice are correlated, so slices, not points, are the independent observations. Every
smooth estimator is linearised, theta_hat - theta = sum_i u_i, and its standard error is that of a
sum over C independent slices,

  SE^2 = C / (C - 1) sum_c (sum_{i in slice c} u_i)^2.

Points of weight 0 belong to slices that the sampler dropped, or are padding: they count nowhere.
"""

import math
from typing import NamedTuple

import chex
import numpy as np

# A standard error below this part of its value is rounding, not statistics.
ROUNDING = 1e-12


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
  return mean_of_slices(weight[kept], f[kept], slice_numbers(kept, points_per_slice))


def mean_of_slices(w: np.ndarray, f: np.ndarray, slices: np.ndarray) -> Measure:
  """`weighted_mean` of points that count, the number 0, 1, .. of each one's slice given (B,)."""
  mean = np.sum(w * f) / np.sum(w)
  return Measure(float(mean), standard_error(w * (f - mean) / np.sum(w), slices))


def slice_numbers(kept: np.ndarray, points_per_slice: int) -> np.ndarray:
  """Numbers 0, 1, .. of the slices that kept points belong to."""
  number = np.flatnonzero(kept) // points_per_slice
  return np.unique(number, return_inverse=True)[1]


def standard_error(terms: np.ndarray, slices: np.ndarray) -> float:
  """The standard error of sum(terms), terms of different slices independent."""
  count = slices[-1] + 1
  if count < 2:
    return math.nan
  return math.sqrt(count / (count - 1) * np.sum(np.bincount(slices, terms) ** 2))


def maximum(x: np.ndarray, slices: np.ndarray) -> Measure:
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
