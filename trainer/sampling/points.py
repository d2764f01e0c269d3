"""What a sampler hands out."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

Array = jax.Array | np.ndarray


class Points(NamedTuple):
  """Points on a variety, B of them.

  Attributes:
    z: (B, N) complex128 homogeneous coordinates; each factor's largest is exactly 1.
    weight: (B,) float64, |Omega|^2 over the sampling density, so that its mean is
      integral |Omega|^2. Zero for all points of a slice whose solutions were not all found; such
      points repeat a good one.
    omega: (B,) float64, |Omega|^2 in the chart of trainer.geometry.patches.choose_chart.
  """

  z: Array
  weight: Array
  omega: Array


def dropped_slices(points: Points, points_per_slice: int) -> int:
  """Number of slices without weight among points that begin and end with whole slices."""
  return int(np.count_nonzero(np.asarray(points.weight) == 0)) // points_per_slice


def effective_sample_size(weight: Array) -> float:
  """(sum w)^2 / sum w^2: how many equally weighted points would be worth as much."""
  weight = np.asarray(weight)
  return float(weight.sum() ** 2 / (weight**2).sum())
