"""A problem that shares nothing with metrics: the Poisson equation on a flat torus.

g^{a bbar} d_a dbar_b u = rhs on C / (Z + i Z) with g = 1, for `components` right sides at once; u
is a sum of the characters cos and sin of (2 pi k.x), whose coefficients are the parameters.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.points.dataset import Source
from trainer.problem.linearise import Residual
from trainer.problem.problem import Problem
from trainer.sampling.statistics import weighted_mean

_WAVES = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 1)])
# Steps of a sequence that fills the square evenly, and where each split of it starts.
_STEPS = np.array([0.7548776662466927, 0.5698402909980532])
_OFFSETS = {"train": 0.0, "validation": 0.31, "heldout": 0.77}


class Points(NamedTuple):
  """(B, 2) real coordinates, (B,) weights."""

  x: jax.Array
  weight: jax.Array
  fixed: dict = {}


class TorusPoisson(Problem):
  """The coefficients `solution` (2 K, C) of the waves are to be found."""

  merit = "residual"

  def __init__(self, config, network, squares, components=1):
    del config, network, squares
    self.shape = (2 * len(_WAVES), *((components,) if components > 1 else ()))
    self.solution = np.random.default_rng(5).normal(size=self.shape)

  def describe(self):
    return "Poisson equation on a torus"

  def init(self, key, mean_weight):
    assert mean_weight == 1.0
    return {"coefficients": jnp.zeros(self.shape)}

  def source(self, split, seed, directory, mesh, dtype, progress=None):
    def rows(start, stop, progress):
      x = (_OFFSETS[split] + np.arange(start, stop)[:, None] * _STEPS) % 1
      return Points(x.astype(dtype), np.ones(stop - start, dtype))

    return Source(rows, seed, mesh, progress)

  def abstract_points(self, num_points, dtype):
    shape = lambda *s: jax.ShapeDtypeStruct(s, dtype)
    return Points(shape(num_points, 2), shape(num_points))

  def residual(self, params, batch):
    def laplacian(coefficients, x):
      u = lambda x: _characters(x) @ coefficients
      return jnp.trace(jax.hessian(u)(x), axis1=-2, axis2=-1) / 4

    at = lambda c: jax.vmap(lambda x: laplacian(c, x))(batch.x)
    value, target = at(params["coefficients"]), at(jnp.asarray(self.solution, batch.x.dtype))
    return Residual(value, target, jnp.ones(batch.weight.shape, bool), {"first": batch.x[:, 0]})

  def values(self, params, batch):
    rows = self.residual(params, batch).rows()
    return {"square": jnp.sum(rows.reshape(len(rows), -1) ** 2, axis=1)}

  def validate(self, values):
    return {"residual": weighted_mean(values["weight"], values["square"], 1)}


def _characters(x):
  phases = 2 * jnp.pi * jnp.asarray(_WAVES, x.dtype) @ x
  return jnp.concatenate([jnp.cos(phases), jnp.sin(phases)])
