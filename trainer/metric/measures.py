"""How Ricci-flat a metric is, from its values at held-out points, each with a standard error.

Standard errors are those of trainer.sampling.statistics. kappa is estimated on the same points as
everything that contains eta = det g / (kappa |Omega|^2); the u_i below include what that does.
"""

import math
from typing import NamedTuple

import chex
import numpy as np

from trainer.geometry import topology
from trainer.geometry.dwork import exact_omega_integral
from trainer.geometry.variety import Variety
from trainer.sampling.points import effective_sample_size
from trainer.sampling.statistics import (
  Measure,
  maximum,
  slice_numbers,
  standard_error,
  weighted_mean,
)

_QUANTILES = (0.5, 0.9, 0.99)
# Groups of slices left out in turn for the errors of quantiles: more would make the errors less
# noisy (14 % now) but, a quantile being no smooth function of the sample, biased upwards.
_GROUPS = 25


class PointValues(NamedTuple):
  """Per-point numbers a certificate is made of, numpy float64 arrays of shape (B,).

  Attributes:
    determinant: det g in local coordinates.
    relative_eigenvalue: the least eigenvalue of g relative to the Fubini-Study metric.
    weight: |Omega|^2 over the sampling density.
    omega: |Omega|^2.
  """

  determinant: np.ndarray
  relative_eigenvalue: np.ndarray
  weight: np.ndarray
  omega: np.ndarray

  @classmethod
  def of(cls, values: dict[str, np.ndarray]) -> "PointValues":
    """Those among a problem's values."""
    return cls(*(values[name] for name in cls._fields))


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
  - max_abs_eta_minus_1, min_relative_eigenvalue: extremes over the points, weights ignored. Their
    standard errors are those of the bootstrap over slices in its limit of infinitely many
    repetitions, without the error of kappa. They say roughly by how much the extreme differs from
    sample to sample (the bootstrap of an extreme is not consistent; two thirds of the true spread
    is typical), and nothing about how far the extreme over the whole manifold lies beyond: the
    value is a lower bound of that maximum, an upper bound of that minimum. Eigenvalues are those of
    g relative to the Fubini-Study metric, which do not depend on coordinates.
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
  size = effective_sample_size(w)
  size_terms = size * (2 * w / w.sum() - w**2 / np.sum(w**2) - 1 / len(w))
  least = maximum(-values.relative_eigenvalue[values.weight > 0], slices)
  return {
    "sigma": _sigma(w, eta, slices),
    "E": Measure(float(square), standard_error(square_terms, slices)),
    "max_abs_eta_minus_1": maximum(deviation, slices),
    **_quantiles(w, eta, slices),
    "min_relative_eigenvalue": Measure(-least.value, least.stderr),
    "volume": weighted_mean(count, weight * ratio, points_per_slice),
    "omega_integral": weighted_mean(count, weight, points_per_slice),
    "kappa": weighted_mean(weight, ratio, points_per_slice),
    "effective_sample_size": Measure(float(size), standard_error(size_terms, slices)),
  }


def relative_volume_form(values: PointValues) -> np.ndarray:
  """eta = det g / (kappa |Omega|^2) (B,), kappa from the same points so that <eta> = 1."""
  return values.determinant / values.omega / kappa(values)


def kappa(values: PointValues) -> float:
  """The weighted mean of det g / |Omega|^2."""
  chex.assert_rank(list(values), 1)
  chex.assert_equal_shape(list(values))
  kept = values.weight > 0
  ratio = values.determinant[kept] / values.omega[kept]
  return float(np.average(ratio, weights=values.weight[kept]))


def _eta(values: PointValues, points_per_slice: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Weights, eta and slice numbers of the points that count."""
  kept = values.weight > 0
  return (
    values.weight[kept],
    relative_volume_form(values)[kept],
    slice_numbers(kept, points_per_slice),
  )


def _sigma(w: np.ndarray, eta: np.ndarray, slices: np.ndarray) -> Measure:
  deviation = np.abs(1 - eta)
  mean = np.average(deviation, weights=w)
  through_kappa = np.average(np.sign(1 - eta) * eta, weights=w)
  terms = w / w.sum() * (deviation - mean + through_kappa * (eta - 1))
  return Measure(float(mean), standard_error(terms, slices))


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


def exact(variety: Variety) -> dict[str, float]:
  """The measures of a metric whose exact value is known, name -> value."""
  exact = {"volume": topology.volume(variety.ambient, variety.degrees, variety.moduli)}
  omega_integral = exact_omega_integral(variety)
  if omega_integral is not None:
    exact["omega_integral"] = omega_integral
    exact["kappa"] = exact["volume"] / omega_integral
  return exact
