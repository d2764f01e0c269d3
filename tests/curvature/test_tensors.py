"""Curvature of Fubini-Study, where everything is known, with every sign and symmetry."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import index_maps, jets22
from trainer.curvature import fubini_study, tensors, wirtinger
from trainer.geometry import hermitian


class _Projective:
  """P^n as far as fubini_study.potential_rows cares: K = log |z|^2 at t = pi."""

  def __init__(self, ambient, moduli):
    self.ambient, self.moduli = ambient, moduli


def _affine_jet(n, point):
  """The jet of z = (1, x) on P^n at a point x (n,) of the affine patch."""
  z = np.concatenate([[1.0], point])
  x = jnp.asarray(np.concatenate([z.real, z.imag]))
  pullback = jnp.asarray(np.eye(n + 1, dtype=complex)[1:])
  second = jnp.zeros((n * (n + 1) // 2, n + 1), complex)
  return jets22.from_coordinates(x, pullback, second)


def _point(n, seed=0):
  rng = np.random.default_rng(seed)
  return rng.normal(size=n) + 1j * rng.normal(size=n)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fubini_study_identities(n):
  """Ric = (n + 1) g, scalar n(n + 1), R_{abcd} = g_ab g_cd + g_ad g_cb for g = d dbar log |z|^2."""
  space = _Projective((n,), (math.pi,))

  @jax.jit
  def curvature(jet):
    rows = fubini_study.potential_rows(space, jet)
    return (
      hermitian.unpack(tensors.metric(rows)),
      hermitian.unpack(tensors.ricci(rows)),
      tensors.scalar(rows),
      tensors.expand(tensors.riemann(rows)),
      tensors.christoffel(rows),
    )

  point = _point(n)
  g, ricci, scalar, riemann, gamma = curvature(_affine_jet(n, point))
  r = 1 + np.vdot(point, point).real
  exact = np.eye(n) / r - np.outer(point.conj(), point) / r**2
  np.testing.assert_allclose(g, exact, atol=1e-14)
  np.testing.assert_allclose(ricci, (n + 1) * g, atol=1e-13)
  np.testing.assert_allclose(scalar, n * (n + 1), rtol=1e-13)
  expected = np.einsum("ab,cd->abcd", g, g) + np.einsum("ad,cb->abcd", g, g)
  np.testing.assert_allclose(riemann, expected, atol=1e-13)
  # Gamma^k_ml = -(delta^k_m conj(x_l) + delta^k_l conj(x_m)) / (1 + |x|^2) on the affine patch.
  expected = -np.einsum("km,l->kml", np.eye(n), point.conj()) / r
  np.testing.assert_allclose(gamma, expected + expected.transpose(0, 2, 1), atol=1e-13)


def test_riemann_of_a_random_potential():
  """Symmetries, and index by index the definition R = -d_c dbar_d g + g^{p qbar} d_c g dbar_d g."""
  n = 3
  rows = np.random.default_rng(0).normal(size=100)
  rows[7:10] += 6.0  # A positive metric.
  d = jets22.unpack(jnp.asarray(rows))
  value = lambda c: complex(c.re, 0.0 if c.im is None else c.im)
  pair = {}
  for p, (a, c) in enumerate(index_maps.symmetric_pairs(n)):
    pair[a, c] = pair[c, a] = p
  index = range(n)
  g = np.array([[value(d.mixed[a][b]) for b in index] for a in index])
  dg = np.array([[[value(d.third[pair[a, c]][b]) for b in index] for a in index] for c in index])
  ddg = np.array(
    [
      [[[value(d.fourth[pair[a, c]][pair[b, e]]) for e in index] for c in index] for b in index]
      for a in index
    ]
  )  # [a, b, c, d]
  upper = np.linalg.inv(g).T  # upper[p, q] = g^{p qbar}
  dbar_g = dg.conj().transpose(0, 2, 1)  # dbar_d g_{p bbar} = conj(d_d g_{b pbar})
  expected = -ddg + np.einsum("pq,caq,dpb->abcd", upper, dg, dbar_g)
  packed = jnp.asarray(rows)
  r = np.asarray(tensors.expand(tensors.riemann(packed)))
  np.testing.assert_allclose(r, expected, rtol=1e-11, atol=1e-11)
  np.testing.assert_allclose(r, r.transpose(2, 1, 0, 3), atol=1e-12)
  np.testing.assert_allclose(r, r.transpose(0, 3, 2, 1), atol=1e-12)
  np.testing.assert_allclose(r, r.transpose(1, 0, 3, 2).conj(), atol=1e-12)
  ricci = np.einsum("ab,abcd->cd", upper, expected)
  np.testing.assert_allclose(hermitian.unpack(tensors.ricci(packed)), ricci, atol=1e-11)
  np.testing.assert_allclose(tensors.scalar(packed), np.einsum("cd,cd->", upper, ricci).real)
  np.testing.assert_allclose(
    tensors.christoffel(packed), np.einsum("ks,mls->kml", upper, dg), atol=1e-12
  )


@pytest.mark.parametrize("n", [1, 2])
def test_ricci_is_minus_the_hessian_of_log_det(n):
  """The general path, and Ric = -d dbar log det g by a route that shares nothing with it."""
  point = _point(n)

  def potential(u):
    w = point + jax.lax.complex(u[:n], u[n:])
    size = w.real**2 + w.imag**2
    return jnp.log(1 + size.sum()) + 0.3 * jnp.sin(w.real).sum() + size.sum() ** 2 / 7

  def log_det(u):
    h = jax.hessian(potential)(u)
    levi = 0.25 * (h[:n, :n] + h[n:, n:] + 1j * (h[:n, n:] - h[n:, :n]))
    return jnp.log(jnp.linalg.det(levi).real)

  @jax.jit
  def both():
    h = jax.jacfwd(jax.jacfwd(log_det))(jnp.zeros(2 * n))
    levi = 0.25 * (h[:n, :n] + h[n:, n:] + 1j * (h[:n, n:] - h[n:, :n]))
    rows = wirtinger.mixed_rows(potential, n, jnp.float64)
    return hermitian.unpack(tensors.ricci(rows)), -levi

  got, expected = both()
  np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)


def test_product_of_spheres_is_the_sum_of_its_factors():
  space = _Projective((1, 1), (math.pi, 2 * math.pi))
  x, y = _point(2)
  z = jnp.asarray(np.array([1.0, x, 1.0, y]))
  pullback = jnp.asarray(np.array([[0, 1, 0, 0], [0, 0, 0, 1]], complex))
  rows = fubini_study.potential_rows(
    space,
    jets22.from_coordinates(
      jnp.concatenate([z.real, z.imag]), pullback, jnp.zeros((3, 4), complex)
    ),
  )
  # P^1 has scalar 2 at t = pi, half of it at twice the area; no curvature mixes the factors.
  np.testing.assert_allclose(tensors.scalar(rows), 3.0, rtol=1e-13)
  np.testing.assert_allclose(tensors.expand(tensors.riemann(rows))[0, 0, 1, 1], 0.0, atol=1e-15)
