"""Points of a variety from local coordinates, with derivatives of any order."""

import chex
import jax
import jax.numpy as jnp

from trainer.geometry import patches
from trainer.geometry.small import inverse
from trainer.geometry.variety import Variety

# Newton's steps converge quadratically or not at all.
_STEPS = 30
# Of the largest of |Q_a| over its terms' moduli, in units of rounding.
_CONVERGED = 1e3


def point(variety: Variety, chart: patches.Chart, near: jax.Array, u: jax.Array) -> jax.Array:
  """The point of the variety at local coordinates, by Newton's method on Q = 0.

  Derivatives of every order, forwards and backwards, are those of the implicit function.

  Args:
    variety: the variety.
    chart: which coordinates are local, eliminated and, those that are neither, constant.
    near: (N,) complex, a point of the variety whose constant coordinates are 1; of several points
      with these local coordinates the one that Newton's method finds from here.
    u: (n,) complex, the local coordinates.

  Returns:
    (N,) complex, the constant coordinates 1; not a number where Newton's method finds none.
  """
  chex.assert_shape([near, u], [(variety.num_coordinates,), (variety.dimension,)])
  eliminated = chart.eliminated.astype(u.dtype)
  at = lambda w: _constant(chart) + u @ chart.kept.astype(u.dtype) + w @ eliminated
  equations = lambda w: jnp.stack([q(at(w)) for q in variety.polynomials])

  def newton(f, w):
    for_each = jax.jacfwd(f, holomorphic=True)
    step = lambda _, w: w - inverse(for_each(w)) @ f(w)
    return jax.lax.fori_loop(0, _STEPS, step, w)

  def solve(linear, y):
    return inverse(jax.vmap(linear, out_axes=1)(jnp.eye(len(y), dtype=y.dtype))) @ y

  start = jax.lax.stop_gradient(eliminated @ near)
  z = at(jax.lax.custom_root(equations, start, newton, solve))
  size = jnp.stack([q.absolute()(jnp.abs(z)) for q in variety.polynomials])
  residual = jnp.max(jnp.abs(jnp.stack([q(z) for q in variety.polynomials])) / size)
  found = residual < _CONVERGED * jnp.finfo(u.dtype).eps
  return jnp.where(found, z, jnp.nan)


def coordinates(variety: Variety, chart: patches.Chart, z: jax.Array) -> jax.Array:
  """Local coordinates (n,) complex of a point z (N,) in any scaling."""
  return scaled(variety, chart, z) @ chart.kept.T.astype(z.dtype)


def jacobian(
  variety: Variety, chart: patches.Chart, other: patches.Chart, z: jax.Array
) -> jax.Array:
  """dv^b/du^a at a point, between local coordinates u of a chart and v of another one.

  Args:
    variety: the variety.
    chart, other: the charts.
    z: (N,) complex, in any scaling.

  Returns:
    (n, n) complex, [a, b].
  """
  z = scaled(variety, chart, z)
  return components(variety, other, z, patches.pullback(variety, z, chart))


def components(
  variety: Variety, chart: patches.Chart, z: jax.Array, vectors: jax.Array
) -> jax.Array:
  """dv^b of tangent vectors, in the local coordinates v of a chart.

  Args:
    variety: the variety.
    chart: the chart.
    z: (N,) complex, a point in any scaling.
    vectors: (M, N) complex, dz of M tangent vectors, in the same scaling.

  Returns:
    (M, n) complex.
  """
  chex.assert_shape([z, vectors], [(variety.num_coordinates,), (None, variety.num_coordinates)])
  divided = _pivots(variety, chart, z)
  spread = _spread(variety, chart).astype(z.dtype)
  slopes = (vectors - z / divided * (vectors @ spread)) / divided
  return slopes @ chart.kept.T.astype(z.dtype)


def scaled(variety: Variety, chart: patches.Chart, z: jax.Array) -> jax.Array:
  """z (N,) with the chart's constant coordinates 1."""
  return z / _pivots(variety, chart, z)


def _constant(chart):
  return 1 - jnp.sum(chart.kept, axis=0) - jnp.sum(chart.eliminated, axis=0)


def _spread(variety, chart):
  """(N, N): column i picks the constant coordinate of i's factor."""
  constant = _constant(chart)
  blocks = jnp.zeros((variety.num_coordinates,) * 2, constant.dtype)
  for s in variety.factor_slices:
    blocks = blocks.at[s, s].set(constant[s, None])
  return blocks


def _pivots(variety, chart, z):
  """(N,): by these the coordinates of z are divided for the chart's constant ones."""
  return z @ _spread(variety, chart).astype(z.dtype)
