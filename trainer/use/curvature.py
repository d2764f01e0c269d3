"""The curvature of a run's metric at points, in the local coordinates of each."""

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from trainer.curvature import chern, contractions, differences, tensors
from trainer.geometry import fubini_study, patches
from trainer.points import batch as batches
from trainer.points.batch import Batch
from trainer.use import evaluation
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
    euler: (...) real, the density of c_n against d^{2n}x.
    c2: (..., r) real, those of c_2 J_i .. J_j over i <= .. <= j; (..., 0) on a curve.
  """

  metric: jax.Array
  christoffel: jax.Array
  riemann: jax.Array
  ricci: jax.Array
  scalar: jax.Array
  riemann_squared: jax.Array
  euler: jax.Array
  c2: jax.Array


@evaluation.compiled
def curvature(fields: Fields, params: Any, z: jax.Array) -> Curvature:
  """The curvature at points, by jets where the network has them, else by differences.

  Args:
    fields: the run's functions.
    params: their parameters.
    z: (..., N) complex, points on the variety in any scaling.
  """
  params, variety = cast(params, z.real.dtype), fields.variety

  def at_rows(z):
    return at_points(fields, params, batches.prepare(variety, z, jnp.ones(len(z), z.real.dtype)))

  return evaluation.by_chunks(at_rows, z)


def at_points(fields: Fields, params: Any, batch: Batch) -> Curvature:
  """The curvature at all points of a batch at once.

  Args:
    fields: the run's functions.
    params: their parameters, in the precision of the batch.
    batch: B points; of its arrays x and pullback are read.

  Returns:
    Curvature of arrays (B, ...).
  """
  variety, ansatz = fields.variety, fields.ansatz
  chex.assert_shape(batch.x, (None, 2 * variety.num_coordinates))
  z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
  if ansatz.jet22:
    charts = jax.vmap(lambda z: patches.choose_chart(variety, z))(z)
    rows = ansatz.potential(params, batch, charts.eliminated)
    g, riemann = tensors.components(rows)
    christoffel = jnp.moveaxis(tensors.christoffel(rows), -1, 0)
  else:
    at = differences.of_metric(variety, functools.partial(ansatz.metric, params), batch)
    g, riemann, christoffel = at.metric, differences.riemann(at), differences.christoffel(at)
  hyperplanes = jax.vmap(lambda *at: fubini_study.factor_metrics(variety.ambient, *at))
  return Curvature(
    g,
    christoffel,
    riemann,
    contractions.ricci(g, riemann),
    contractions.scalar(g, riemann),
    contractions.riemann_squared(g, riemann),
    *chern.chern_densities(g, riemann, hyperplanes(z, batch.pullback)),
  )
