"""The sampler that suits a variety: points crowd where it is nearly singular, if it is anywhere."""

from collections.abc import Callable

import jax
import numpy as np

from trainer.geometry.foci import Foci, find_foci
from trainer.geometry.variety import Variety
from trainer.sampling import singular
from trainer.sampling.concentrated import ConcentratedSampler
from trainer.sampling.points import Points
from trainer.sampling.sampler import Sampler

# Uniform points among which those of largest weight lie near foci; and pilot points.
_SEARCHED_POINTS = 100_000
_STARTS = 2000
_PILOT_POINTS = 40_000
# Decimals of foci and shares: the same points on machines that round differently.
_DIGITS = 6


def make_sampler(
  variety: Variety, squares: Callable[[Points], np.ndarray], search: jax.Array, pilot: jax.Array
) -> Sampler:
  """A sampler whose points crowd around the foci of a variety; a uniform one if it has none.

  Args:
    variety: the variety.
    squares: what the points are for, as ConcentratedSampler.adapt takes it: of points (B), the
      squares of the linearised deviations of the means they are to give (B,).
    search: key of the points that the search for foci starts from.
    pilot: key of the points that the shares are chosen by.

  Raises:
    UserError: a focus leads to a singular point, where points would crowd for ever.
  """
  sampler = Sampler(variety)
  foci = find_foci(variety, _heavy_points(sampler, search))
  if not len(foci.radii):
    return sampler
  singular.check_smooth(variety, foci.centers)
  centers = np.round(foci.centers, _DIGITS)
  for s in variety.factor_slices:
    centers[:, s] /= np.linalg.norm(centers[:, s], axis=1, keepdims=True)
  sampler = ConcentratedSampler(variety, Foci(centers, np.round(foci.radii, _DIGITS)))
  points = _blocks(sampler, pilot, _PILOT_POINTS)
  sampler.adapt(points, squares(points))
  sampler.shares = np.round(sampler.shares, _DIGITS)
  sampler.shares /= np.sum(sampler.shares)
  return sampler


def _heavy_points(sampler, key):
  points = _blocks(sampler, key, _SEARCHED_POINTS)
  return points.z[np.argsort(points.weight)[-_STARTS:]]


def _blocks(sampler, key, num_points):
  blocks = [sampler.block(key, i) for i in range(-(-num_points // sampler.points_per_block))]
  return jax.tree.map(lambda *parts: np.concatenate(parts), *blocks)
