"""Connection and curvature of metrics given as functions: closed forms and identities."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.curvature import metrics
from trainer.curvature import autodiff


def _at(u, *fields):
  return [np.asarray(a) for a in jax.jit(lambda u: [field(u) for field in fields])(u)]


def test_wirtinger_derivatives():
  """d (x^2 conj(y)) = 2 x conj(y) dx, dbar = x^2 dybar, and d dbar of it, indices first."""
  function = lambda u: metrics.split(u)[0] ** 2 * metrics.split(u)[1].conj()
  u = metrics.somewhere(2)
  x, y = metrics.split(u)
  d, dbar, mixed = _at(
    u,
    autodiff.holomorphic(function),
    autodiff.antiholomorphic(function),
    autodiff.holomorphic(autodiff.antiholomorphic(function)),
  )
  np.testing.assert_allclose(d, [2 * x * y.conj(), 0], atol=1e-14)
  np.testing.assert_allclose(dbar, [0, x**2], atol=1e-14)
  np.testing.assert_allclose(mixed, [[0, 2 * x], [0, 0]], atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fubini_study(n):
  """R_{a bbar c dbar} = g_ab g_cd + g_ad g_cb and Gamma on the affine patch."""
  u = metrics.somewhere(n)
  x = np.asarray(metrics.split(u))
  g, riemann, gamma, error = _at(
    u,
    metrics.fubini_study,
    autodiff.riemann(metrics.fubini_study),
    autodiff.christoffel(metrics.fubini_study),
    autodiff.kaehler_error(metrics.fubini_study),
  )
  expected = np.einsum("ab,cd->abcd", g, g) + np.einsum("ad,cb->abcd", g, g)
  np.testing.assert_allclose(riemann, expected, atol=1e-12)
  half = -np.einsum("km,l->kml", np.eye(n), x.conj()) / (1 + np.vdot(x, x).real)
  np.testing.assert_allclose(gamma, half + half.transpose(0, 2, 1), atol=1e-13)
  assert error < 1e-13


@pytest.mark.parametrize("n", [1, 2])
def test_eigenfunctions_of_the_laplacian(n):
  """(z_1 conj(z_0) / |z|^2)^m has the eigenvalue 4 m(m + n) on P^n."""

  def functions(u):
    x = metrics.split(u)
    f = x[0] / (1 + jnp.sum(x.real**2 + x.imag**2))
    return jnp.stack([jnp.ones_like(f), f, f**2, f.conj()])

  f, laplacian = _at(
    metrics.somewhere(n),
    functions,
    autodiff.laplacian(functions, metrics.fubini_study),
  )
  levels = np.array([0, 4 * (1 + n), 8 * (2 + n), 4 * (1 + n)])
  np.testing.assert_allclose(laplacian, levels * f, atol=1e-12)


def test_product_is_the_sum_of_its_factors():
  g, riemann, error = _at(
    metrics.somewhere(2),
    metrics.product,
    autodiff.riemann(metrics.product),
    autodiff.kaehler_error(metrics.product),
  )
  # R = 2 g g / t on a sphere of t times the area: a factor's own scale is in g once, not twice.
  expected = np.zeros((2,) * 4, complex)
  expected[0, 0, 0, 0], expected[1, 1, 1, 1] = 2 * g[0, 0] ** 2, 2 * g[1, 1] ** 2 / 3
  np.testing.assert_allclose(riemann, expected, atol=1e-12)
  assert error < 1e-14


def test_kaehler_symmetries_and_bianchi():
  """R_{abcd} = R_{cbad} = R_{adcb} = conj(R_{badc}), nabla_e R_{abcd} = nabla_c R_{abed}."""
  metric = metrics.kaehler
  curvature = autodiff.riemann(metric)
  r, nabla, nabla_bar, error = _at(
    metrics.somewhere(2, scale=0.2),
    curvature,
    autodiff.covariant(curvature, "haha", metric),
    autodiff.covariant_bar(curvature, "haha", metric),
    autodiff.kaehler_error(metric),
  )
  assert np.abs(r).max() > 0.1
  np.testing.assert_allclose(r, r.transpose(2, 1, 0, 3), atol=1e-12)
  np.testing.assert_allclose(r, r.transpose(0, 3, 2, 1), atol=1e-12)
  np.testing.assert_allclose(r, r.transpose(1, 0, 3, 2).conj(), atol=1e-12)
  assert np.abs(nabla).max() > 0.1
  np.testing.assert_allclose(nabla, nabla.transpose(3, 1, 2, 0, 4), atol=1e-11)
  np.testing.assert_allclose(nabla_bar, nabla.transpose(0, 2, 1, 4, 3).conj(), atol=1e-11)
  assert error < 1e-13


def test_connection_and_its_curvature():
  """nabla g = 0, nabla g^{-1} = 0, and the commutator on T^k_sbar, of a metric not Kaehler.

  [nabla_m, nabla_nbar] T^k_sbar = R^k_{l m nbar} T^l_sbar + conj(R^p_{s n mbar}) T^k_pbar.
  """
  metric = metrics.conformal

  def tensor(u):
    x, y = metrics.split(u)
    return jnp.array([[x * y.conj(), 1 + x**2], [jnp.cos(u[0]) + 1j * y, y.conj() ** 2 - x]])

  inverse = lambda u: jnp.linalg.inv(metric(u)).T
  along, across = (
    lambda t, i: autodiff.covariant(t, i, metric),
    lambda t, i: autodiff.covariant_bar(t, i, metric),
  )
  g, t, curvature, first, second, *vanishing = _at(
    metrics.somewhere(2, scale=0.2),
    metric,
    tensor,
    autodiff.riemann(metric),
    along(across(tensor, "Ha"), "aHa"),
    across(along(tensor, "Ha"), "hHa"),
    along(metric, "ha"),
    across(metric, "ha"),
    along(inverse, "HA"),
    across(inverse, "HA"),
  )
  for derivative in vanishing:
    np.testing.assert_allclose(derivative, 0, atol=1e-13)
  mixed = np.einsum("ks,lsmn->klmn", np.linalg.inv(g).T, curvature)  # R^k_{l m nbar}
  expected = np.einsum("klmn,ls->mnks", mixed, t)
  expected = expected + np.einsum("psnm,kp->mnks", mixed.conj(), t)
  assert np.abs(expected).max() > 0.1
  np.testing.assert_allclose(first - second.transpose(1, 0, 2, 3), expected, atol=1e-11)


def test_conformal_change():
  """g' = e^f g: R' = e^f (R - g_{a bbar} d_c dbar_d f), and |t|^2 = (n - 1) |d f|^2 of g'."""
  f, g = metrics.factor, metrics.kaehler
  df = autodiff.holomorphic(f)
  gradient, hessian, g, new, r, new_r, error = _at(
    metrics.somewhere(2, scale=0.2),
    df,
    autodiff.antiholomorphic(df),
    g,
    metrics.conformal,
    autodiff.riemann(g),
    autodiff.riemann(metrics.conformal),
    autodiff.kaehler_error(metrics.conformal),
  )
  scale = (new / g)[0, 0].real
  expected = scale * (r - np.einsum("ab,dc->abcd", g, hessian))
  np.testing.assert_allclose(new_r, expected, atol=1e-12)
  size = np.einsum("ab,a,b->", np.linalg.inv(new).T, gradient, gradient.conj()).real
  assert error > 0.05
  np.testing.assert_allclose(error, math.sqrt(size), rtol=1e-12)


def test_indices_are_checked():
  with pytest.raises(ValueError, match="haHA"):
    autodiff.covariant(metrics.product, "hb", metrics.product)
  with pytest.raises(AssertionError):
    autodiff.covariant(metrics.product, "hah", metrics.product)(metrics.somewhere(2))
