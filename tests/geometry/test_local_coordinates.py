"""Points from local coordinates: implicit derivatives of every order."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import index_maps
from tests.geometry import varieties
from trainer.curvature import local
from trainer.geometry import local_coordinates, patches


def _chart(name, seed=0):
  variety = varieties.sparse_variety(name)
  z = patches.normalise(variety, jnp.asarray(varieties.some_points(variety, 1, seed)[0]))
  return variety, z, patches.choose_chart(variety, z)


@pytest.mark.parametrize("name", ["quartic", "bicubic"])
def test_derivatives_are_those_of_the_implicit_function(name):
  variety, z, chart = _chart(name)
  u = z @ chart.kept.T
  point = jax.jit(functools.partial(local_coordinates.point, variety, chart, z))
  np.testing.assert_allclose(point(u), z, atol=1e-13)
  away = point(u + 0.05)
  np.testing.assert_allclose([q(away) for q in variety.polynomials], 0, atol=1e-12)
  np.testing.assert_allclose(away @ chart.kept.T, u + 0.05, rtol=1e-13)

  first, second = jax.jit(
    lambda u: (
      jax.jacfwd(point, holomorphic=True)(u),
      jax.jacfwd(jax.jacfwd(point, holomorphic=True), holomorphic=True)(u),
    )
  )(u)
  pullback = patches.pullback(variety, z, chart)
  np.testing.assert_allclose(first, pullback.T, atol=1e-12)
  exact = local.second_derivatives(variety, z, pullback, chart.eliminated)
  a, c = zip(*index_maps.symmetric_pairs(variety.dimension))
  np.testing.assert_allclose(second[:, list(a), list(c)].T, exact, atol=1e-10)
  # Backwards, too.
  size = lambda u: jnp.sum(jnp.abs(point(jax.lax.complex(*jnp.split(u, 2)))) ** 2)
  slope = jax.jit(jax.grad(size))(jnp.concatenate([u.real, u.imag]))
  expected = 2 * pullback @ z.conj()
  np.testing.assert_allclose(slope, np.concatenate([expected.real, -expected.imag]), atol=1e-11)


def test_there_may_be_no_point():
  """Newton's method ends nowhere: what is returned says so."""
  variety, z, chart = _chart("cubic_curve")
  point = jax.jit(functools.partial(local_coordinates.point, variety, chart, z))
  assert np.all(np.isnan(point(jnp.full(variety.dimension, jnp.inf + 0j))))


def test_jacobians_are_derivatives_of_the_coordinates():
  variety, z, chart = _chart("bicubic")
  for seed in range(1, 20):
    _, _, other = _chart("bicubic", seed)
    if not np.array_equal(other.kept, chart.kept):
      break
  u = z @ chart.kept.T
  move = lambda u: local_coordinates.coordinates(
    variety, other, local_coordinates.point(variety, chart, z, u)
  )
  expected = jax.jit(jax.jacfwd(move, holomorphic=True))(u).T
  found = local_coordinates.jacobian(variety, chart, other, 2j * z)
  np.testing.assert_allclose(found, expected, rtol=1e-10)
  back = local_coordinates.jacobian(variety, other, chart, z)
  np.testing.assert_allclose(found @ back, np.eye(3), atol=1e-10)
