"""Points to time things on."""

import jax
import jax.numpy as jnp

from trainer.geometry.variety import Variety
from trainer.points.batch import Batch, prepare
from trainer.sampling.sampler import Sampler


def some_points(variety: Variety, count: int) -> Batch:
  """The first points of a stream, float64."""
  sampler, blocks, have = Sampler(variety), [], 0
  while have < count:
    blocks.append(sampler.block(jax.random.key(0), len(blocks)))
    have += blocks[-1].z.shape[0]
  z, weight = (
    jnp.concatenate([getattr(b, name) for b in blocks])[:count] for name in ("z", "weight")
  )
  return jax.jit(prepare, static_argnums=0)(variety, z, weight)
