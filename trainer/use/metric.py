"""A trained metric as an ordinary JAX function."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from trainer.geometry import hermitian
from trainer.points import batch as batches
from trainer.use import evaluation, points
from trainer.use.fields import Fields, cast


@dataclasses.dataclass(frozen=True)
class Metric:
  """(parameters, x) -> g_{a bbar}; equal for runs of equal fields, so that JAX compiles it once."""

  fields: Fields

  def __call__(self, params: Any, x: jax.Array) -> jax.Array:
    """See trainer.use.run.load_metric."""
    z = points.as_complex(self.fields.variety, x)
    return _metric(self.fields, params, z)


@evaluation.compiled
def _metric(fields, params, z):
  params = cast(params, z.real.dtype)

  def at_rows(z):
    batch = batches.prepare(fields.variety, z, jnp.ones(len(z), z.real.dtype))
    return hermitian.unpack(fields.ansatz.metric(params, batch))

  return evaluation.by_chunks(at_rows, z)
