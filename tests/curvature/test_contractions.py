"""Curvatures of points: Fubini-Study in closed form, and the real metric by its own formulas."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.curvature import metrics
from trainer.curvature import autodiff, chern, contractions, forms


def _points(metric, n, count, scale=0.5):
  """g and R at a few points, on a leading axis."""
  u = jnp.stack([metrics.somewhere(n, seed, scale) for seed in range(count)])
  fields = lambda u: (metric(u), autodiff.riemann(metric)(u))
  return u, *jax.jit(jax.vmap(fields))(u)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fubini_study(n):
  _, g, riemann = _points(metrics.fubini_study, n, 3)
  u, v = metrics.vectors(n, 3, seed=1), metrics.vectors(n, 3, seed=2)
  inner = lambda x, y: np.einsum("pa,pab,pb->p", x, g, y.conj())
  np.testing.assert_allclose(contractions.ricci(g, riemann), (n + 1) * g, atol=1e-10)
  np.testing.assert_allclose(contractions.scalar(g, riemann), n * (n + 1), rtol=1e-10)
  squared = contractions.riemann_squared(g, riemann)
  np.testing.assert_allclose(squared, 2 * n * (n + 1), rtol=1e-10)
  np.testing.assert_allclose(contractions.holomorphic_sectional(g, riemann, v), 2, rtol=1e-10)
  # 1 + 3 cos^2 of the angle between i u and v: from 1 to 4.
  area = inner(u, u).real * inner(v, v).real - inner(u, v).real ** 2
  expected = 1 + 3 * inner(u, v).imag ** 2 / area
  np.testing.assert_allclose(contractions.sectional(g, riemann, u, v), expected, rtol=1e-10)
  np.testing.assert_allclose(contractions.sectional(g, riemann, v, 1j * v), 4, rtol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_chern_forms_of_projective_space(n):
  """c_k = C(n + 1, k) (omega / pi)^k, so that the Euler number is n + 1 at Vol = pi^n / n!."""
  _, g, riemann = _points(metrics.fubini_study, n, 2)
  hyperplane = forms.from_matrix(g / math.pi)
  for k, form in enumerate(jax.jit(chern.chern_forms)(g, riemann), start=1):
    expected = functools.reduce(lambda a, b: a * b, [hyperplane] * k) * math.comb(n + 1, k)
    assert form.degree == k
    np.testing.assert_allclose(form.components, expected.components, atol=1e-10)
  volume = math.pi**n / math.factorial(n)
  euler = chern.euler_density(g, riemann) * volume / jnp.linalg.det(g).real
  np.testing.assert_allclose(euler, n + 1, rtol=1e-10)


def test_ricci_is_minus_the_hessian_of_log_det():
  """Of a metric that is not Kaehler, too."""
  u, g, riemann = _points(metrics.conformal, 2, 2, scale=0.2)
  log_det = lambda u: jnp.log(jnp.linalg.det(metrics.conformal(u)).real)
  hessian = jax.jit(jax.vmap(autodiff.holomorphic(autodiff.antiholomorphic(log_det))))(u)
  np.testing.assert_allclose(contractions.ricci(g, riemann), -hessian, atol=1e-11)
  trace = np.einsum("pab,pab->p", np.linalg.inv(g).transpose(0, 2, 1), -hessian).real
  np.testing.assert_allclose(contractions.scalar(g, riemann), trace, atol=1e-11)


def test_a_product_adds_and_multiplies():
  """P^1 x P^1 with areas pi and 3 pi: R = 2 + 2/3, |Riem|^2 = 4 + 4/9, chi = 2 * 2, c_1^2 = 8."""
  _, g, riemann = _points(metrics.product, 2, 2)
  np.testing.assert_allclose(contractions.scalar(g, riemann), 2 + 2 / 3, rtol=1e-12)
  np.testing.assert_allclose(contractions.riemann_squared(g, riemann), 4 + 4 / 9, rtol=1e-12)
  axes = np.broadcast_to(np.eye(2, dtype=complex)[:, None], (2, 2, 2))
  mixed = contractions.sectional(g, riemann, *axes)
  np.testing.assert_allclose(mixed, 0, atol=1e-12)
  number = lambda form: form.density() * 3 * math.pi**2 / jnp.linalg.det(g).real
  first, second = chern.chern_forms(g, riemann)
  np.testing.assert_allclose(number(second), 4, rtol=1e-12)
  np.testing.assert_allclose(number(first * first), 8, rtol=1e-12)


def test_the_real_metric():
  """Ricci, scalar, Kretschmann, sectional and Laplacian from the real metric's Levi-Civita."""
  u, g, riemann = _points(metrics.kaehler, 2, 1, scale=0.2)
  function = metrics.factor

  def real_metric(u):
    g = metrics.kaehler(u)
    return jnp.block([[g.real, g.imag], [-g.imag, g.real]])

  def gamma(u):
    d = jax.jacfwd(real_metric)(u)  # [i, j, k] = d_k h_ij
    lower = 0.5 * (d + jnp.swapaxes(d, 1, 2) - jnp.transpose(d, (2, 0, 1)))  # [i, j, k]
    return jnp.einsum("il,ljk->ijk", jnp.linalg.inv(real_metric(u)), lower)

  @jax.jit
  def levi_civita(u):
    h, c, dc = real_metric(u), gamma(u), jax.jacfwd(gamma)(u)  # dc [i, j, k, l] = d_l Gamma^i_jk
    # R^i_{jkl} = d_k Gamma^i_lj - d_l Gamma^i_kj + Gamma^i_km Gamma^m_lj - Gamma^i_lm Gamma^m_kj
    half = jnp.einsum("iljk->ijkl", dc) + jnp.einsum("ikm,mlj->ijkl", c, c)
    r = half - jnp.swapaxes(half, 2, 3)
    weight = jnp.sqrt(jnp.linalg.det(h))
    flux = lambda u: (
      jnp.sqrt(jnp.linalg.det(real_metric(u)))
      * jnp.linalg.solve(real_metric(u), jax.grad(function)(u))
    )
    return h, jnp.einsum("im,mjkl->ijkl", h, r), -jnp.trace(jax.jacfwd(flux)(u)) / weight

  h, r, laplacian = (np.asarray(a) for a in levi_civita(u[0]))
  raised = np.linalg.inv(h)
  ricci = np.einsum("ik,ijkl->jl", raised, r)
  full = np.einsum("ijkl,ia,jb,kc,ld->abcd", r, *[raised] * 4, optimize=True)
  x, y = metrics.vectors(2, 2)
  a, b = (np.concatenate([v.real, v.imag]) for v in (x, y))
  area = (a @ h @ a) * (b @ h @ b) - (a @ h @ b) ** 2
  contracted = np.asarray(contractions.ricci(g, riemann))[0]
  close = functools.partial(np.testing.assert_allclose, rtol=1e-9)
  close(2 * (x @ contracted @ y.conj()).real, a @ ricci @ b)
  close(4 * contractions.scalar(g, riemann)[0], np.einsum("jl,jl->", raised, ricci))
  close(16 * contractions.riemann_squared(g, riemann)[0], np.einsum("abcd,abcd->", full, r))
  curvature = contractions.sectional(g, riemann, x[None], y[None])[0]
  close(curvature, np.einsum("ijkl,i,j,k,l->", r, a, b, a, b) / area)
  line = contractions.sectional(g, riemann, x[None], 1j * x[None])
  close(2 * contractions.holomorphic_sectional(g, riemann, x[None]), line)
  close(autodiff.laplacian(function, metrics.kaehler)(u[0]).real, laplacian)
