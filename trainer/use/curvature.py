"""The curvature of a run's metric at points, in the local coordinates of each."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from networks import reverse
from trainer.curvature import contractions, tensors
from trainer.devices import microbatch, parallel
from trainer.errors import UserError
from trainer.geometry import patches
from trainer.points import batch as batches
from trainer.use.fields import Fields, cast


class Curvature(NamedTuple):
  """Tensors at points, in the coordinates of trainer.geometry.patches.choose_chart.

  Attributes:
    metric: (..., n, n) complex, [a, b] = g_{a bbar}.
    christoffel: (..., n, n, n) complex, [k, m, l] = Gamma^k_{m l} = g^{k sbar} d_m g_{l sbar}.
    riemann: (..., n, n, n, n) complex, [a, b, c, d] = R_{a bbar c dbar}, positive on Fubini-Study.
    ricci: (..., n, n) complex, [c, d] = g^{a bbar} R_{a bbar c dbar}.
    scalar: (...) real, g^{c dbar} Ric_{c dbar}.
    riemann_squared: (...) real, sum |R_{a bbar c dbar}|^2 in a unitary frame.
  """

  metric: jax.Array
  christoffel: jax.Array
  riemann: jax.Array
  ricci: jax.Array
  scalar: jax.Array
  riemann_squared: jax.Array


@functools.partial(jax.jit, static_argnums=0)
def curvature(fields: Fields, params: Any, z: jax.Array) -> Curvature:
  """The curvature at points, by jets where the network has them.

  Args:
    fields: the run's functions.
    params: their parameters.
    z: (..., N) complex, points on the variety in any scaling.

  Raises:
    UserError: the metric has no potential; trainer.curvature.autodiff takes any metric.
  """
  variety, ansatz = fields.variety, fields.ansatz
  if ansatz.potential is None:
    raise UserError(
      f"the network {fields.network} makes a metric without a potential: take "
      "trainer.curvature.autodiff with chart.metric"
    )
  params = cast(params, z.real.dtype)

  def at_rows(z):
    batch = batches.prepare(variety, z, jnp.ones(z.shape[0], z.real.dtype))
    charts = jax.vmap(lambda z: patches.choose_chart(variety, patches.normalise(variety, z)))(z)
    rows = ansatz.potential(params, batch, charts.eliminated)
    g, riemann = tensors.components(rows)
    return Curvature(
      g,
      jnp.moveaxis(tensors.christoffel(rows), -1, 0),
      riemann,
      contractions.ricci(g, riemann),
      contractions.scalar(g, riemann),
      contractions.riemann_squared(g, riemann),
    )

  flat = z.reshape(-1, variety.num_coordinates)
  with reverse.plain():
    plan = microbatch.plan(at_rows, flat, parallel.default_memory())
    found = microbatch.apply(at_rows, flat, plan)
  return jax.tree.map(lambda a: a.reshape(*z.shape[:-1], *a.shape[1:]), found)
