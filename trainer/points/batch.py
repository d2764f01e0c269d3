"""What the trainer keeps of a sampled point: everything that does not depend on what is learned."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from trainer.geometry import fubini_study, hermitian, local_coordinates, patches
from trainer.geometry.variety import Variety


class Batch(NamedTuple):
  """Points and their fixed geometry, one row a point.

  Attributes:
    x: (B, 2N) real, [Re z, Im z], each factor scaled so that one coordinate, the largest unless
      other charts are asked for, is 1.
    pullback: (B, n, N) complex, J[a, i] = dz^i/dx^a in the point's own local coordinates.
    weight: (B,) real, |Omega|^2 over the sampling density; 0 marks padding.
    omega: (B,) real, |Omega|^2 in local coordinates.
    fubini_study: (B, n * n) real, the Fubini-Study metric, packed as in trainer.geometry.hermitian.
    fixed: name -> (B, ...), what else a problem keeps of its points (trainer.points.kept).
  """

  x: jax.Array
  pullback: jax.Array
  weight: jax.Array
  omega: jax.Array
  fubini_study: jax.Array
  fixed: dict[str, jax.Array] = {}


def prepare(
  variety: Variety, z: jax.Array, weight: jax.Array, charts: patches.Chart | None = None
) -> Batch:
  """Computes the fixed geometry of points, in the precision of its input.

  Args:
    variety: the manifold the points lie on.
    z: (B, N) complex homogeneous coordinates, in any scaling.
    weight: (B,) real.
    charts: arrays (B, ...), of the local coordinates of each point, whose constant coordinates are
      then scaled to 1 instead of the largest; by default the best conditioned ones.

  Returns:
    The batch, in the same order.
  """
  chex.assert_shape(z, (None, variety.num_coordinates))
  chex.assert_shape(weight, (z.shape[0],))

  def geometry(z, chart):
    if chart is None:
      z = patches.normalise(variety, z)
      chart = patches.choose_chart(variety, z)
    else:
      z = local_coordinates.scaled(variety, chart, z)
    pullback = patches.pullback(variety, z, chart)
    omega = patches.omega_squared(variety, z, chart)
    metric = fubini_study.metric(variety, z, pullback)
    return jnp.concatenate([z.real, z.imag]), pullback, omega, hermitian.pack(metric)

  x, pullback, omega, metric = jax.vmap(geometry)(z, charts)
  return Batch(x, pullback, weight, omega, metric)


def abstract(variety: Variety, num_points: int, dtype: jnp.dtype) -> Batch:
  """The shapes and dtypes of a batch of `num_points` points."""
  points = (
    jax.ShapeDtypeStruct((num_points, variety.num_coordinates), jnp.complex128),
    jax.ShapeDtypeStruct((num_points,), jnp.float64),
  )
  return jax.eval_shape(lambda *a: cast(prepare(variety, *a), dtype), *points)


def cast(batch: Batch, dtype: jnp.dtype) -> Batch:
  """Casts a batch to a real dtype, its pullback to the complex dtype of that precision."""
  complex_dtype = jnp.promote_types(dtype, jnp.complex64)
  return jax.tree.map(lambda a: a.astype(complex_dtype if jnp.iscomplexobj(a) else dtype), batch)
