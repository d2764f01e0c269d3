"""Curvature of a variety's jets against autodiff of the potential in a chart."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.curvature import metrics
from tests.geometry import varieties
from trainer.curvature import autodiff, contractions, potential, tensors
from trainer.geometry import fubini_study, patches


def _parametrisation(variety, z, chart):
  """u -> z(u), the chart's local coordinates around a point z (N,), to fourth order.

  Newton's method with the derivative of the point: each step gains an order, from the first.
  """
  slopes = patches.pullback(variety, z, chart)
  minor = jnp.linalg.inv(patches.gradient(variety, z) @ chart.eliminated.T)

  def point(u):
    w = z + metrics.split(u) @ slopes
    for _ in range(3):
      w = w - minor @ jnp.stack([q(w) for q in variety.polynomials]) @ chart.eliminated
    return w

  return point


def test_jets_equal_autodiff_in_the_chart():
  """g, Gamma and R of K_FS + phi on a quintic; the scalar curvature is the same from both rooms."""
  variety = varieties.sparse_variety("quintic", monomials=6)
  z = jnp.asarray(varieties.some_points(variety, 1))[0]
  chart = patches.choose_chart(variety, z)
  form = jnp.asarray(metrics.vectors(5, 1)[0])

  def phi(x):
    z = metrics.split(x)
    value = jnp.sum(form * z)
    return 0.02 * (value.real**2 + value.imag**2) / jnp.sum(x**2)

  @jax.jit
  def jets(x, pullback, eliminated):
    rows = potential.potential_rows(variety, phi, x, pullback, "general", complement=eliminated)
    g, riemann = tensors.components(rows)
    scalars = contractions.scalar(g, riemann), tensors.scalar(rows)
    return g[0], tensors.christoffel(rows)[..., 0], riemann[0], scalars

  place = _parametrisation(variety, z, chart)

  def whole(u):
    w = place(u)
    return fubini_study.potential(variety, w) + phi(jnp.concatenate([w.real, w.imag]))

  metric = autodiff.holomorphic(autodiff.antiholomorphic(whole))
  fields = metric, autodiff.christoffel(metric), autodiff.riemann(metric)
  expected = jax.jit(lambda u: [field(u) for field in fields])(jnp.zeros(6))
  pullback = patches.pullback(variety, z, chart)
  x = jnp.concatenate([z.real, z.imag])
  *got, scalars = jets(x[None], pullback[None], chart.eliminated[None])
  assert np.abs(expected[1]).max() > 0.1
  for a, b in zip(got, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11 * np.abs(b).max())
  np.testing.assert_allclose(*scalars, rtol=1e-11)
