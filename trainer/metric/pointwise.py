"""The metric of an ansatz at one point in the coordinates of any chart, to be differentiated."""

from typing import Any

import chex
import jax
import jax.numpy as jnp

from networks import reverse
from trainer.geometry import fubini_study, hermitian, patches
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import Ansatz
from trainer.points.batch import Batch


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
  chex.assert_shape(z, (variety.num_coordinates,))
  pullback = patches.pullback(variety, z, chart)
  start = fubini_study.metric(variety, z, pullback)
  x = jnp.concatenate([z.real, z.imag])
  one = jnp.ones((), x.dtype)
  batch = Batch(x, pullback, one, one, hermitian.pack(start))
  batch = jax.tree.map(lambda a: a[None], batch)
  with reverse.plain():
    return hermitian.unpack(ansatz.metric(params, batch))[0]
