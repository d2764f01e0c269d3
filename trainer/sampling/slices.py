"""Which linear slices meet a variety in finitely many points."""

from __future__ import annotations

from collections.abc import Sequence
import itertools
from typing import NamedTuple

from trainer.geometry import topology


class SliceType(NamedTuple):
  """Linear subspaces P^{s_1} x ... x P^{s_m}, one in each factor, sum of s_i = K."""

  dimensions: tuple[int, ...]  # (s_1, ..., s_m)
  num_points: int  # solutions of a slice, the intersection number of X with prod J_i^{n_i - s_i}


def slice_types(ambient: Sequence[int], degrees: Sequence[Sequence[int]]) -> tuple[SliceType, ...]:
  """All slice types that meet X, in lexicographic order of their dimensions.

  Args:
    ambient: (n_1, ..., n_m).
    degrees: configuration matrix, m rows and K columns.

  Returns:
    The types with at least one solution.
  """
  codimension = len(degrees[0])
  numbers = topology.intersection_numbers(ambient, degrees)
  types = []
  for dimensions in itertools.product(*(range(n + 1) for n in ambient)):
    if sum(dimensions) == codimension:
      index = tuple(i for i, (n, s) in enumerate(zip(ambient, dimensions)) for _ in range(n - s))
      if numbers[index]:
        types.append(SliceType(dimensions, numbers[index]))
  return tuple(types)
