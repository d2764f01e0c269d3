"""Weil-Petersson metrics and Yukawa couplings from as many points as it takes, where they count.

The integrands grow like |dQ|^-4 and faster near nearly singular points, so that close to a
conifold a few of uniformly drawn points decide. Points are drawn around the foci instead
(trainer.sampling.concentrated), in shares that a pilot run finds to suit the integrands.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import NamedTuple

import jax
import numpy as np

from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.moduli import weil_petersson as moduli
from trainer.sampling import crowded

Directions = dict[str, tuple[Polynomial, ...]]


class ModuliSpace(NamedTuple):
  """What was measured.

  Attributes:
    moduli: G and y along each direction.
    num_points: points it took, the pilot's not counted.
    num_foci: nearly singular points around which points crowd; 0 if there are none.
    dropped_slices: slices that lost a solution.
  """

  moduli: dict[str, moduli.Moduli]
  num_points: int
  num_foci: int
  dropped_slices: int


def measure(
  variety: Variety,
  directions: Directions,
  *,
  seed: int,
  num_points: int,
  progress: Callable[[int, int], None] | None = None,
) -> ModuliSpace:
  """G and y along each direction.

  Args:
    variety: the variety.
    directions: by name, (P_1, ..., P_K): the derivatives of the polynomials by a parameter.
    seed: of the points.
    num_points: at least how many; whole blocks are used.
    progress: called with (points ready, points asked for) after every block.

  Returns:
    See ModuliSpace.
  """
  # The first two keys are those of datasets.
  search, pilot, main = (
    jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), i) for i in (2, 3, 4)
  )
  squares = functools.partial(_squares, variety, directions)
  sampler = crowded.make_sampler(variety, squares, search, pilot)
  size = sampler.points_per_block
  blocks = -(-num_points // size)
  sums, dropped = {name: [] for name in directions}, 0
  for index in range(blocks):
    points = sampler.block(main, index)
    for name, direction in directions.items():
      sums[name].append(
        moduli.slice_sums(moduli.point_sums(variety, direction, points), sampler.points_per_slice)
      )
    dropped += np.count_nonzero(sums[name][-1][:, 0] == 0)
    if progress is not None:
      progress((index + 1) * size, blocks * size)
  return ModuliSpace(
    {name: moduli.estimate(np.concatenate(rows), variety.dimension) for name, rows in sums.items()},
    blocks * size,
    len(getattr(sampler, "foci", ((),))[0]),
    int(dropped),
  )


def _squares(variety, directions, points):
  """The squares of what each point adds to the errors of all G and y."""
  square = 0
  for direction in directions.values():
    rows = moduli.point_sums(variety, direction, points)
    for deviations in moduli.deviations(rows, np.sum(rows, axis=0), variety.dimension):
      square = square + deviations**2 / np.sum(deviations**2)
  return square
