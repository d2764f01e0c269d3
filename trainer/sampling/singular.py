"""Refuses singular varieties, with the point."""

import jax
import numpy as np

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import smoothness
from trainer.geometry.variety import Variety
from trainer.sampling.sampler import Sampler

# Sampled points the search for singular points starts from.
_STARTS = 200


def check_smooth(variety: Variety, starts: np.ndarray | None = None) -> None:
  """Raises UserError, with the point, if a search finds a singular point of the variety.

  Args:
    variety: the variety.
    starts: (S, N) complex, where the search starts; None for random points.
  """
  singular = smoothness.find_singular_point(variety, starts)
  if singular is not None:
    point = ", ".join(f"{c:.4g}" for c in singular.round(9) + 0)  # without -0 and 1e-323
    raise UserError(f"the variety is singular, at z = ({point}): change its polynomials")


def near_singular_points(variety: Variety) -> np.ndarray:
  """The sampled points with the smallest minors of dQ, (S, N) complex: starts for check_smooth."""
  with parallel.geometry_device():
    points = Sampler(variety).block(jax.random.key(0), 0)
  return np.asarray(points.z)[np.argsort(np.asarray(points.omega))[-_STARTS:]]
