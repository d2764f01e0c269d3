"""Horizontal lifts of a quartic surface with a bent metric, against the family they belong to."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import algebraic
from tests.geometry.varieties import some_points
from trainer.curvature import contractions, wirtinger
from trainer.geometry import patches
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.harmonic import lift
from trainer.metric import pointwise
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Rows

_QUARTIC = Polynomial(
  ((4, 0, 0, 0), (0, 4, 0, 0), (0, 0, 4, 0), (0, 0, 0, 4), (1, 1, 1, 1), (3, 0, 1, 0)),
  (1, 0.8, 1.1j, 1, 0.5, 0.3 - 0.2j),
)
_DIRECTION = (Polynomial(((1, 1, 1, 1), (0, 2, 2, 0)), (1.0, 0.4j)),)


def _bent(variety):
  """K_FS + 0.1 Re(z_0^2 conj(z_1 z_2)) / |z|^4."""

  def phi(x):
    z = jax.lax.complex(*jnp.split(x, 2))
    return 0.1 * (z[0] ** 2 * jnp.conj(z[1] * z[2])).real / jnp.sum(x**2) ** 2

  return lambda params, batch: (
    batch.fubini_study.T + params * wirtinger.levi_forms(phi, batch.x, batch.pullback)
  )


@pytest.fixture(scope="module")
def lifted():
  variety = Variety((3,), (_QUARTIC,), (1.0,))
  metric = _bent(variety)
  z = some_points(variety, 5)
  functions = fields.of_degree(variety, 1)
  rng = np.random.default_rng(0)
  forms = (rng.normal(size=(2, 1, 4, 4)) * 0.05 * np.array([1, 1j])[:, None, None, None]).sum(0)

  @jax.jit
  def at(z):
    chart = patches.choose_chart(variety, z)
    pullback = patches.pullback(variety, z, chart)
    turn = functools.partial(lift._slopes, functions, forms)
    v = lift.horizontal(variety, metric, 1.0, (_DIRECTION,), chart)(z, turn)
    g = pointwise.metric_along(variety, metric, 1.0, z, pullback)
    return Rows(jnp.concatenate([z.real, z.imag]), pullback, g, z.real[0], z.real[0]), v

  rows, v = jax.vmap(at)(z)
  lifts = jax.jit(
    lambda rows: lift.at_rows(variety, metric, (_DIRECTION,), functions, 1.0, forms, rows)
  )(rows)
  return variety, metric, functions, forms, rows, v, lifts


def test_mu_is_symmetric_and_hodge_norms_are_traces(lifted):
  *_, rows, _, lifts = lifted
  for at in lifts:
    lowered = jnp.einsum("pac,piba->pibc", rows.metric, at.mu)
    np.testing.assert_allclose(lowered, np.swapaxes(lowered, 2, 3), atol=1e-13)
    e = contractions.unitary_frame(rows.metric)
    framed = jnp.einsum("pjb,pkc,pibc->pijk", e.conj(), e.conj(), lowered)
    trace = jnp.einsum("piba,piab->pi", at.mu, at.mu.conj())
    np.testing.assert_allclose(jnp.sum(jnp.abs(framed) ** 2, axis=(2, 3)), trace, rtol=1e-12)
  assert np.max(np.abs(lifts[0].mu - lifts[1].mu)) > 1e-2


def test_stretch_is_the_derivative_of_eta_along_the_lift(lifted):
  variety, metric, functions, forms, rows, v, lifts = lifted

  def log_eta(z, v, s, t):
    """log(det g / |Omega|^2) where s v leads to, on Q + t P = 0 with the potential K."""
    chart = patches.choose_chart(variety, z)
    polynomials = lambda w: jnp.stack(
      [q(w) + t * p(w) for q, p in zip(variety.polynomials, _DIRECTION, strict=True)]
    )
    gradient = jax.jacfwd(polynomials, holomorphic=True)
    w = z + s * v
    for _ in range(4):
      change = jnp.linalg.solve(gradient(w) @ chart.eliminated.T, polynomials(w))
      w = w - change @ chart.eliminated
    dq = gradient(w)
    slopes = -jnp.linalg.solve(dq @ chart.eliminated.T, dq @ chart.kept.T)
    pullback = chart.kept + slopes.T @ chart.eliminated
    g = pointwise.metric_along(variety, metric, 1.0, w, pullback)
    minor = jnp.linalg.det(dq @ chart.eliminated.T)
    return jnp.log(jnp.linalg.det(g).real * jnp.abs(minor) ** 2)

  z = jax.lax.complex(*jnp.split(rows.x, 2, axis=1))
  steps = 1e-4 * np.array([1, -1, 1j, -1j])

  @jax.jit
  def along(v, moves):
    at = jax.vmap(jax.vmap(log_eta, (None, None, 0, 0)), (0, 0, None, None))
    real, imaginary = jnp.split(at(z, v, steps, moves * steps), 2, axis=1)
    return (real[:, 0] - real[:, 1] - 1j * (imaginary[:, 0] - imaginary[:, 1])) / 4e-4

  before = -along(v[:, 0], 1)
  np.testing.assert_allclose(lifts[0].stretch[:, 0], before, atol=1e-6)

  # On top of V_0, V_f moves along the fibre, and K + t f changes det g by Box f.
  hermitian = (forms + np.conj(np.swapaxes(forms, 1, 2))) / 2
  parts = jnp.concatenate([hermitian, (forms - hermitian) / 1j])
  h = jax.vmap(algebraic.real_matrix)(parts.real, parts.imag)
  box = fields.box(functions.frame(rows), h) @ np.array([1, 1j])
  after = before - box - along(v[:, 1] - v[:, 0], 0)
  np.testing.assert_allclose(lifts[1].stretch[:, 0], after, atol=1e-6)
