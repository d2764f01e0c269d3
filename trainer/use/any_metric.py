"""The curvature of any Hermitian metric that is a function of local coordinates."""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.curvature import autodiff, chern, contractions
from trainer.errors import UserError
from trainer.use import evaluation

# Points at which a metric is checked.
_CHECKED = 16


class MetricCurvature(NamedTuple):
  """Tensors at points; the first are those of trainer.use.curvature.Curvature.

  Attributes:
    metric: (..., n, n) complex, [a, b] = g_{a bbar}.
    christoffel: (..., n, n, n) complex, [k, m, l], of the Chern connection.
    riemann: (..., n, n, n, n) complex, [a, b, c, d].
    ricci: (..., n, n) complex, [c, d] = g^{a bbar} R_{a bbar c dbar}.
    scalar: (...) real, g^{c dbar} Ric_{c dbar}.
    riemann_squared: (...) real, |Riem|^2.
    euler: (...) real, the density of c_n against d^{2n}x.
    kaehler_error: (...) real, the length of the torsion: 0 everywhere if and only if Kaehler.
  """

  metric: jax.Array
  christoffel: jax.Array
  riemann: jax.Array
  ricci: jax.Array
  scalar: jax.Array
  riemann_squared: jax.Array
  euler: jax.Array
  kaehler_error: jax.Array


def curvature_of(metric: autodiff.Field, u: jax.Array) -> MetricCurvature:
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
  return _curvature_of(None, metric, u)


@evaluation.compiled
def _curvature_of(_, metric, u):
  def at_point(u):
    g, riemann = metric(u), autodiff.riemann(metric)(u)
    return MetricCurvature(
      g,
      autodiff.christoffel(metric)(u),
      riemann,
      contractions.ricci(g, riemann),
      contractions.scalar(g, riemann),
      contractions.riemann_squared(g, riemann),
      chern.euler_density(g, riemann),
      autodiff.kaehler_error(metric)(u),
    )

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
