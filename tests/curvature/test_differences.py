"""Curvature by differences against closed forms, autodiff and jets."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic, k3_quartic
from trainer.curvature import autodiff, differences, tensors
from trainer.devices import compiling
from trainer.geometry import description, fubini_study, patches
from trainer.metric import ansatz as ansatze
from trainer.points.dataset import prepare_on_host

_CUBIC = description.make_variety(fermat_cubic.get_config())
_QUARTIC = description.make_variety(k3_quartic.get_config())
_quick = functools.partial(jax.jit, compiler_options=compiling.optimisation(0))


def _fubini_study(batch):
  return batch.fubini_study.T


def _points(variety, count=8):
  """Points on a variety with one polynomial, their last coordinates found as roots."""
  rng = np.random.default_rng(0)
  size = variety.num_coordinates
  z = rng.normal(size=(count, size)) + 1j * rng.normal(size=(count, size))
  along = np.array([0.0] * (size - 1) + [1.0])
  (q,) = variety.polynomials
  nodes = np.exp(2j * np.pi * np.arange(8) / 8)
  for row in z:
    values = [complex(q(jnp.asarray(row + node * along))) for node in nodes]
    row += np.roots(np.fft.fft(values)[: variety.degrees[0][0] + 1][::-1])[0] * along
  return jax.tree.map(
    jnp.asarray, prepare_on_host(variety, z, np.ones(count), np.dtype(float), count)
  )


@pytest.mark.parametrize("variety, degree", [(_CUBIC, 3), (_QUARTIC, 4)])
def test_fubini_study_by_the_equation_of_gauss(variety, degree):
  """R = pi (g_ab g_cd + g_ad g_cb) - A_ac conj(A_bd), |A| = |d^2 Q(J, J)| / |dQ|, t = 1."""
  batch = _points(variety)
  at = _quick(lambda batch: differences.of_metric(variety, _fubini_study, batch))(batch)
  g, z = np.asarray(at.metric), np.asarray(batch.x).reshape(len(batch.x), 2, -1)
  z = z[:, 0] + 1j * z[:, 1]
  # z_0^d + .. + z_N^d
  slope, bend = degree * z ** (degree - 1), degree * (degree - 1) * z ** (degree - 2)
  j = np.asarray(batch.pullback)
  squares = lambda a: np.sum(np.abs(a) ** 2, axis=1)
  form = np.einsum("zi,zai,zci->zac", bend, j, j)
  form /= np.sqrt(np.pi * squares(z) * squares(slope))[:, None, None]
  exact = np.pi * (np.einsum("zab,zcd->zabcd", g, g) + np.einsum("zad,zcb->zabcd", g, g))
  exact -= np.einsum("zac,zbd->zabcd", form, form.conj())
  np.testing.assert_allclose(differences.riemann(at), exact, atol=1e-6 * np.max(np.abs(exact)))


@pytest.mark.parametrize("variety, degree", [(_CUBIC, 2), (_QUARTIC, 2)])
def test_equal_to_jets(variety, degree):
  ansatz = ansatze.make_ansatz(variety, f"algebraic(degree={degree})")
  rng = np.random.default_rng(0)
  params = ansatz.admit(
    jax.tree.map(lambda a: a + 0.15 * rng.normal(size=a.shape), ansatz.init(jax.random.key(0)))
  )
  batch = _points(variety)

  @_quick
  def both(batch):
    z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
    charts = jax.vmap(lambda z: patches.choose_chart(variety, z))(z)
    rows = ansatz.potential(params, batch, charts.eliminated)
    at = differences.of_metric(variety, lambda batch: ansatz.metric(params, batch), batch)
    gamma = jnp.moveaxis(tensors.christoffel(rows), -1, 0)
    jets = *tensors.components(rows), gamma
    return jets, (at.metric, differences.riemann(at), differences.christoffel(at))

  for expected, found in zip(*both(batch), strict=True):
    axes = tuple(range(1, expected.ndim))
    scale = np.max(np.abs(expected), axis=axes, keepdims=True)
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-6)


def test_a_metric_that_is_not_kaehler():
  """Its Chern connection and curvature, by autodiff along the tangent space at each point."""
  variety = _QUARTIC
  factor = lambda x: 1 + x[0] ** 2 / jnp.sum(x**2) + x[1] * x[6] / jnp.sum(x**2)
  batch = _points(variety)

  def metric(batch):
    return batch.fubini_study.T * jax.vmap(factor)(batch.x)

  @_quick
  @jax.vmap
  def exact(x):
    z = jax.lax.complex(*jnp.split(x, 2))
    chart = patches.choose_chart(variety, z)
    pullback = patches.pullback(variety, z, chart)

    def along(u):
      w = z + jax.lax.complex(u[:2], u[2:]) @ pullback
      start = fubini_study.metric(variety, w, patches.pullback(variety, w, chart))
      return start * factor(jnp.concatenate([w.real, w.imag]))

    here = jnp.zeros(4)
    return along(here), autodiff.riemann(along)(here), autodiff.christoffel(along)(here)

  at = _quick(lambda batch: differences.of_metric(variety, metric, batch))(batch)
  found = at.metric, differences.riemann(at), differences.christoffel(at)
  for array, expected in zip(found, exact(batch.x), strict=True):
    np.testing.assert_allclose(array, expected, atol=1e-6 * np.max(np.abs(expected)))
  riemann = found[1]
  assert np.max(np.abs(riemann - jnp.swapaxes(riemann, 1, 3))) > 1e-2 * np.max(np.abs(riemann))
