"""What the curvature of a metric says: Chern numbers, Ricci measure, histograms, extreme points.

Chern numbers have control variates (trainer.sampling.control_variates): the Chern densities of
Fubini-Study, whose integrals are topological, the volume forms of both metrics, and Laplacians.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from trainer.geometry import topology
from trainer.geometry.variety import Variety
from trainer.metric.consistency import extreme_point
from trainer.problem.problem import Findings
from trainer.sampling.control_variates import controlled_means
from trainer.sampling.statistics import ROUNDING, Measure, maximum, mean_of_slices, slice_numbers

_BINS = 60
# Of the volume at each end that histograms leave out.
_TAIL = 5e-4


class _Points(NamedTuple):
  """The points that count: slice numbers, d^{2n}x over the sampling density, places."""

  slices: np.ndarray
  measure: np.ndarray
  x: np.ndarray


def exact(variety: Variety) -> dict[str, float]:
  """The measures of curvature whose exact value is known, by topology; name -> value.

  euler is the integral of c_n; c2_J_1_J_2 that of c_2 J_1 J_2 on a fourfold, c2_J_1 that of
  c_2 J_1 on a threefold (a surface has c_2 = c_n); c1 that of c_1 omega^{n-1} / (n - 1)!, which is
  zero (a curve has c_1 = c_n).
  """
  numbers = {"euler": float(topology.euler_number(variety.ambient, variety.degrees))}
  if variety.dimension > 1:
    numbers["c1"] = 0.0
  if variety.dimension > 2:
    for index, number in topology.c2(variety.ambient, variety.degrees).items():
      numbers["c2" + "".join(f"_J_{i + 1}" for i in index)] = float(number)
  return numbers


def findings(
  variety: Variety, volume: float, points_per_slice: int, values: dict[str, Any]
) -> Findings:
  """All of it.

  - euler, c2_J_1, ..: the mean of w / |Omega|^2 times the density, by control variates; of
    Fubini-Study, which is among the controls, without.
  - c1 = (1/pi) integral R dvol, which is that of c_1 omega^{n-1} / (n - 1)!.
  - ricci_measure = Vol^{1/n - 1} integral |R| dvol, DESIGN.md section 2; ||R|| of Larfors, Lukas,
    Ruehle and Schneider, arXiv:2205.13408.
  - mean_abs_ricci = Vol^{1/n} <|Ric|>, the mean over dvol, in the same unit.
  - min_c2_density: the least of (R^2 - 2 |Ric|^2 + |Riem|^2) / (2 pi^2), the density of
    c_2 omega^{n-2} / (n - 2)! against dvol, for n > 1. It is -|Ric|^2 / pi^2 at least: how negative
    it may be Ric says. negative_c2_share: the share of the volume where it is negative.
  - sections "controls": {name: {"value", "stderr" without controls, "gain"}}; "histograms", see
    `_histogram`; "extreme_points", where |R|, |Ric| and |Riem|^2 are largest, that density least.

  Args:
    variety: the manifold.
    volume: Vol, exactly.
    points_per_slice: see trainer.sampling.statistics.
    values: trainer.metric.curvature.values at points, and "weight".

  Returns:
    Findings, with Fubini-Study for reference.
  """
  kept = values["weight"] > 0
  points = _Points(
    slice_numbers(kept, points_per_slice),
    (values["weight"] / np.where(kept, values["omega"], 1))[kept],
    values["x"][kept],
  )
  only = lambda group: {name: a[kept] for name, a in group.items()}
  trained, start = only(values["trained"]), only(values["fubini_study"])
  numbers = exact(variety)
  names = [name for name in numbers if name != "c1"]
  f, of_start = (points.measure[:, None] * _densities(m)[:, : len(names)] for m in (trained, start))
  # The Laplacians of a metric integrate to zero against its own volume form.
  forms = [(points.measure * m["determinant"])[:, None] for m in (trained, start)]
  laplacians = [form * m["laplacians"] for form, m in zip(forms, (trained, start))]
  controls = np.concatenate([of_start, *forms, *laplacians], axis=1)
  means = np.zeros(controls.shape[1])
  means[: len(names) + 2] = [*(numbers[name] for name in names), volume, volume]
  controlled = dict(zip(names, controlled_means(f, controls, means, points.slices)))
  plain = controlled_means(of_start, controls[:, :0], means[:0], points.slices)
  return Findings(
    {n: c.measure for n, c in controlled.items()} | _of_ricci(variety, volume, trained, points),
    {
      "fubini_study": {n: c.measure for n, c in zip(names, plain)}
      | _of_ricci(variety, volume, start, points)
    },
    {
      "controls": {n: {**c.plain._asdict(), "gain": c.gain} for n, c in controlled.items()},
      "histograms": {
        name: _histogram(trained[field], forms[0][:, 0])
        for name, field in (("ricci_scalar", "scalar"), ("riemann_squared", "riemann_squared"))
      },
      "extreme_points": _extreme_points(variety, trained, points),
    },
  )


def _densities(metric):
  """(B, 1 + r): c_n, then c_2 J_i .. J_j."""
  return np.concatenate([metric["euler"][:, None], metric["c2"]], axis=1)


def _of_ricci(variety, volume, metric, points):
  """The measures that R, |Ric| and |Riem|^2 make."""
  n = variety.dimension
  dvol = points.measure * metric["determinant"]
  mean = lambda f: mean_of_slices(np.ones(len(f)), f, points.slices)
  scalar = np.abs(metric["scalar"])
  found = {}
  if n > 1:
    found["c1"] = mean(dvol * metric["scalar"] / np.pi)
  total = mean(dvol * scalar)
  found["ricci_measure"] = Measure(*(volume ** (1 / n - 1) * number for number in total))
  length = mean_of_slices(dvol, metric["ricci"], points.slices)
  found["mean_abs_ricci"] = Measure(*(volume ** (1 / n) * number for number in length))
  if n > 1:
    density = _c2_density(metric)
    found["min_c2_density"] = _least(density, points.slices)
    negative = (density < 0).astype(float)
    found["negative_c2_share"] = mean_of_slices(dvol, negative, points.slices)
  return found


def _least(field, slices):
  """The minimum of a field where it has numbers: |Riem| has none where g is not positive."""
  seen = np.isfinite(field)
  if not seen.any():
    return Measure(math.nan, math.nan)
  least = maximum(-field[seen], np.unique(slices[seen], return_inverse=True)[1])
  return Measure(-least.value, least.stderr)


def _c2_density(metric):
  return (metric["scalar"] ** 2 - 2 * metric["ricci"] ** 2 + metric["riemann_squared"]) / (
    2 * np.pi**2
  )


def _histogram(field, dvol):
  """{"edges" (61), "weights" (60)}: shares of the volume, without 0.05 % of it at each end.

  Bins are equally wide; of a field that is positive everywhere, in its logarithm. Where there is no
  curvature at all, or a metric is not positive, fields may have no numbers: those are left out.
  """
  seen = np.isfinite(field) & (dvol > 0)
  if not seen.any():
    return {"edges": [], "weights": []}
  field, dvol = field[seen], dvol[seen]
  low, high = np.quantile(field, [_TAIL, 1 - _TAIL], weights=dvol, method="inverted_cdf")
  if high - low <= ROUNDING * max(abs(low), abs(high)):
    low, high = low - 0.5, high + 0.5
  spaced = np.geomspace if np.min(field) > 0 and low > 0 else np.linspace
  edges = spaced(low, high, _BINS + 1)
  shares, _ = np.histogram(field, edges, weights=dvol)
  return {"edges": edges.tolist(), "weights": (shares / np.sum(dvol)).tolist()}


def _extreme_points(variety, metric, points):
  largest = {
    "max_abs_ricci_scalar": np.abs(metric["scalar"]),
    "max_abs_ricci": metric["ricci"],
    "max_riemann_squared": metric["riemann_squared"],
  }
  places = {}
  for name, field in largest.items():
    places |= extreme_point(name, field, points.x, np.nanargmax)
  if variety.dimension > 1:
    places |= extreme_point("min_c2_density", _c2_density(metric), points.x, np.nanargmin)
  return places
