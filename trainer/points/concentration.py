"""The points that a metric on a variety is trained and measured on: uniform or crowded."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry import hermitian
from trainer.geometry.variety import Variety
from trainer.points import dataset
from trainer.sampling import crowded
from trainer.sampling.points import Points
from trainer.sampling.sampler import Sampler

# Where a search finds nearly singular points; nowhere.
AUTO, OFF = CONCENTRATIONS = ("auto", "off")


@functools.lru_cache(maxsize=8)
def make_sampler(variety: Variety, concentration: str) -> Sampler:
  """The sampler of a variety's training, validation and held-out points.

  Args:
    variety: the variety.
    concentration: "auto": points crowd where the variety is nearly singular, if it is anywhere, in
      shares that lower the errors of integral |Omega|^2, of the volume and of E of the Fubini-Study
      metric, all weights exact; "off": they are uniform.
  """
  if concentration == OFF:
    return Sampler(variety)
  search, pilot = (jax.random.key(i, impl="threefry2x32") for i in (0, 1))
  return crowded.make_sampler(variety, functools.partial(_squares, variety), search, pilot)


def _squares(variety: Variety, points: Points) -> np.ndarray:
  """The squares of what each point adds to the errors of these means, each of sum 1."""
  batch = dataset.prepare_on_host(variety, points.z, points.weight, jnp.float64)
  weight = points.weight
  ratio = np.asarray(hermitian.determinant(batch.fubini_study.T)) / batch.omega
  eta = ratio / np.average(ratio, weights=weight)
  total = 0
  for terms in (weight, weight * eta, weight * (eta - 1) ** 2):
    total = total + terms**2 / np.sum(terms**2)
  return total
