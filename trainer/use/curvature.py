"""The curvature of a run's metric, or of any other, at points in local coordinates."""

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.curvature import autodiff, contractions, tensors
from trainer.errors import UserError
from trainer.geometry import patches
from trainer.points import batch as batches
from trainer.use import evaluation
from trainer.use.fields import Fields, cast

# Points at which a metric of the user's is checked.
_CHECKED = 16


class Curvature(NamedTuple):
  """Tensors at points, in the coordinates of trainer.geometry.patches.choose_chart.

  Attributes:
    metric: (..., n, n) complex, [a, b] = g_{a bbar}.
    christoffel: (..., n, n, n) complex, [k, m, l] = Gamma^k_{m l} = g^{k sbar} d_m g_{l sbar}.
    riemann: (..., n, n, n, n) complex, [a, b, c, d] = R_{a bbar c dbar}, positive on Fubini-Study.
    ricci: (..., n, n) complex, [c, d] = g^{a bbar} R_{a bbar c dbar}.
    scalar: (...) real, g^{c dbar} Ric_{c dbar}.
    riemann_squared: (...) real, sum |R_{a bbar c dbar}|^2 in a unitary frame.
    kaehler_error: (...) real, the length of the torsion: 0 everywhere if and only if Kaehler.
  """

  metric: jax.Array
  christoffel: jax.Array
  riemann: jax.Array
  ricci: jax.Array
  scalar: jax.Array
  riemann_squared: jax.Array
  kaehler_error: jax.Array


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
    gamma = jnp.moveaxis(tensors.christoffel(rows), -1, 0)
    # A metric with a potential is Kaehler.
    return _curvature(g, gamma, riemann, jnp.zeros(g.shape[:-2], z.real.dtype))

  return evaluation.by_chunks(at_rows, z)


def curvature_of(metric: autodiff.Field, u: jax.Array) -> Curvature:
  """The curvature of any Hermitian metric, Kaehler or not, by autodiff in local coordinates.

  Args:
    metric: u (2n,) real -> g_{a bbar} (n, n) complex, in JAX: a chart's, or one of your own. A
      function that is given again compiles once.
    u: (..., 2n) real, points' local coordinates [Re u, Im u].

  Raises:
    UserError: the metric is not a Hermitian matrix.
  """
  u = jnp.asarray(u)
  chex.assert_type(u, float)
  metric = jax.tree_util.Partial(metric)
  if not isinstance(u, jax.core.Tracer):
    _check_hermitian(metric, u)
  return _curvature_of(metric, u)


@jax.jit
def _curvature_of(metric, u):
  def at_point(u):
    fields = autodiff.christoffel, autodiff.riemann, autodiff.kaehler_error
    gamma, riemann, error = (field(metric)(u) for field in fields)
    return _curvature(metric(u), gamma, riemann, error)

  return evaluation.by_chunks(jax.vmap(at_point), u)


@jax.jit
def _values(metric, u):
  return jax.vmap(metric)(u)


def _check_hermitian(metric, u):
  n = u.shape[-1] // 2
  g = np.asarray(_values(metric, u.reshape(-1, 2 * n)[:_CHECKED]))
  if g.shape[1:] != (n, n):
    raise UserError(
      f"the metric of {2 * n} local coordinates has shape {g.shape[1:]}, not {(n, n)}"
    )
  off = np.abs(g - np.swapaxes(g, 1, 2).conj()).max((1, 2)) / np.abs(g).max((1, 2))
  worst = int(np.argmax(off))
  if not off[worst] < np.sqrt(np.finfo(g.dtype).eps):
    raise UserError(
      f"the metric is not Hermitian: at point {worst} it differs from its conjugate transpose by "
      f"{off[worst]:.2g} of its largest entry; it should be [a, b] = g_{{a bbar}}"
    )


def _curvature(g, gamma, riemann, error):
  invariants = (contractions.ricci, contractions.scalar, contractions.riemann_squared)
  return Curvature(g, gamma, riemann, *(invariant(g, riemann) for invariant in invariants), error)
