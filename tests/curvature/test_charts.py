"""Curvature of a variety's jets against autodiff of the potential in a chart."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.curvature import metrics
from tests.geometry import varieties
from trainer.curvature import autodiff, contractions, potential, tensors
from trainer.geometry import fubini_study, patches
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety


def _root_variety():
  """z_3^4 + P(z_0, z_1, z_2) = 0 in P^3, perhaps singular somewhere: one coordinate is a root."""
  exponents = [(4, 0, 0), (1, 2, 1), (0, 3, 1), (2, 0, 2), (0, 0, 4)]
  coefficients = np.random.default_rng(0).normal(size=(len(exponents), 2)) @ (1, 1j)
  rest = Polynomial(tuple((*row, 0) for row in exponents), tuple(coefficients.tolist()))
  whole = Polynomial((*rest.exponents, (0, 0, 0, 4)), (*rest.coefficients, 1.0))
  return Variety((3,), (whole,), (1.0,)), rest


def _chart_of_the_root(variety):
  """A point (N,) and its chart, in which the root is eliminated."""
  choose_chart = jax.jit(patches.choose_chart, static_argnums=0)
  for z in jnp.asarray(varieties.some_points(variety, 20)):
    chart = choose_chart(variety, z)
    if chart.eliminated[0, 3] == 1:
      return z, chart
  raise AssertionError("no such point among 20")


def test_jets_equal_autodiff_in_the_chart():
  """g, Gamma and R of K_FS + phi on a quartic surface; both rooms have one scalar."""
  variety, rest = _root_variety()
  z, chart = _chart_of_the_root(variety)
  form = jnp.asarray(metrics.vectors(4, 1)[0])

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

  def place(u):
    """The chart's local coordinates around z."""
    w = z + metrics.split(u) @ chart.kept
    return w.at[3].multiply((rest(w) / rest(z)) ** 0.25)

  def whole(u):
    w = place(u)
    return fubini_study.potential(variety, w) + phi(jnp.concatenate([w.real, w.imag]))

  metric = autodiff.holomorphic(autodiff.antiholomorphic(whole))
  fields = metric, autodiff.christoffel(metric), autodiff.riemann(metric)
  expected = jax.jit(lambda u: [field(u) for field in fields])(jnp.zeros(4))
  pullback = jax.jit(patches.pullback, static_argnums=0)(variety, z, chart)
  x = jnp.concatenate([z.real, z.imag])
  *got, scalars = jets(x[None], pullback[None], chart.eliminated[None])
  assert np.abs(expected[1]).max() > 0.1
  for a, b in zip(got, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11 * np.abs(b).max())
  np.testing.assert_allclose(*scalars, rtol=1e-11)
