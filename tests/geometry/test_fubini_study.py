import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry.varieties import some_points, sparse_variety
from trainer.geometry import fubini_study, patches, small


def complex_hessian(f, directions):
  """d_a dbar_b of a real function of local coordinates at 0, by autodiff; f takes (n,) complex."""
  n = directions
  real = lambda u: f(jax.lax.complex(u[:n], u[n:]))
  h = jax.hessian(real)(jnp.zeros(2 * n))
  xx, xy, yx, yy = h[:n, :n], h[:n, n:], h[n:, :n], h[n:, n:]
  return (xx + yy + 1j * (xy - yx)) / 4


@pytest.mark.parametrize("name", ["quartic", "bicubic"])
def test_metric_is_the_hessian_of_the_potential(name):
  variety = sparse_variety(name)

  @jax.jit
  def both(z):
    pullback = patches.pullback(variety, z, patches.choose_chart(variety, z))
    # z(x) is holomorphic, so its curvature does not enter d dbar.
    potential = lambda x: fubini_study.potential(variety, z + x @ pullback)
    return (
      fubini_study.metric(variety, z, pullback),
      complex_hessian(potential, variety.dimension),
    )

  for z in some_points(variety, 3):
    closed, differentiated = both(z)
    np.testing.assert_allclose(closed, differentiated, atol=1e-13)
    assert np.linalg.eigvalsh(closed)[0] > 0


def test_factor_metrics_add_up_and_do_not_see_the_scale():
  variety = sparse_variety("bicubic")
  rng = np.random.default_rng(0)
  z, *pullback = rng.normal(size=(4, 6, 2)) @ np.array([1, 1j])
  pullback = np.stack(pullback)
  metrics = jax.jit(lambda z, j: fubini_study.factor_metrics(variety.ambient, z, j))
  factors = metrics(z, pullback)
  assert factors.shape == (2, 3, 3)
  np.testing.assert_allclose(
    1.0 * factors[0] + 1.5 * factors[1], fubini_study.metric(variety, z, pullback), rtol=1e-14
  )
  scale = np.repeat([2 - 1j, 0.3j], 3)
  np.testing.assert_allclose(metrics(scale * z, scale * pullback), factors, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_ricci_of_projective_space(n):
  """Ric = (n + 1) g and scalar n (n + 1) for g = d dbar log|z|^2, that is pi times ours."""
  rng = np.random.default_rng(n)
  x0 = rng.normal(size=n) + 1j * rng.normal(size=n)
  directions = np.concatenate([np.zeros((n, 1)), np.eye(n)], axis=1).astype(complex)

  def metric(x):
    z = jnp.concatenate([jnp.ones(1), x0 + x])
    return np.pi * fubini_study.factor_metrics((n,), z, directions)[0]

  @jax.jit
  def curvature():
    log_det = lambda x: jnp.log(small.determinant(metric(x)).real)
    return metric(jnp.zeros(n)), -complex_hessian(log_det, n)

  g, ricci = curvature()
  np.testing.assert_allclose(ricci, (n + 1) * g, atol=1e-12)
  np.testing.assert_allclose(np.trace(np.linalg.solve(g, ricci)), n * (n + 1), rtol=1e-12)
