"""The metric of an ansatz at one point, in any chart or directions, to be differentiated."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from networks import reverse
from trainer.geometry import fubini_study, hermitian, patches
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import Ansatz
from trainer.points.batch import Batch

# (params, batch) -> g packed, as trainer.metric.ansatz.Ansatz has it.
Metric = Callable[[Any, Batch], jax.Array]


def metric_in_chart(
  variety: Variety, ansatz: Ansatz, params: Any, z: jax.Array, chart: patches.Chart
) -> jax.Array:
  """g_{a bbar} at a point in the coordinates of a chart.

  Args:
    variety: the manifold.
    ansatz: of the metric.
    params: its parameters, in the precision of z.
    z: (N,) complex, on the variety, the chart's constant coordinates 1.
    chart: the chart.

  Returns:
    (n, n) complex, in the precision of z.
  """
  return metric_along(variety, ansatz.metric, params, z, patches.pullback(variety, z, chart))


def metric_along(
  variety: Variety, metric: Metric, params: Any, z: jax.Array, directions: jax.Array
) -> jax.Array:
  """K_{A Bbar} = d_A dbar_B K at a point along any directions, on and off the variety.

  Args:
    variety: the manifold.
    metric: that of an ansatz whose potential K is a function near the variety.
    params: its parameters, in the precision of z.
    z: (N,) complex.
    directions: (D, N) complex.

  Returns:
    (D, D) complex, in the precision of z.
  """
  chex.assert_shape(z, (variety.num_coordinates,))
  start = fubini_study.metric(variety, z, directions)
  x = jnp.concatenate([z.real, z.imag])
  one = jnp.ones((), x.dtype)
  batch = Batch(x, directions, one, one, hermitian.pack(start))
  batch = jax.tree.map(lambda a: a[None], batch)
  with reverse.plain():
    return hermitian.unpack(metric(params, batch))[0]
