"""Scalars of the second fundamental form: Gauss' equation, invariances, jets by differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import extrinsic, index_maps, jets
from trainer.geometry import members
from trainer.points.batch import prepare
from trainer.sampling.sampler import Sampler

# Ambient space, degrees, moduli.
_CURVE = ((2,), ((3,),), (1.0,))
_PAIR = ((4,), ((2, 3),), (1.0,))
_SURFACE = ((1, 2), ((2,), (3,)), (1.3, 0.6))


@functools.cache
def _setting(ambient, degrees, moduli):
  """The variety, its polynomials as tables, and three of its points."""
  variety = members.random_variety(ambient, degrees, moduli, 0)
  points = Sampler(variety).block(jax.random.key(0), 0)
  batch = jax.jit(prepare, static_argnums=0)(variety, points.z[:3], points.weight[:3])
  return (
    variety,
    [(np.array(p.exponents), np.array(p.coefficients)) for p in variety.polynomials],
    batch,
  )


def _jet(setting):
  variety, polynomials, batch = setting
  scalars = functools.partial(extrinsic.scalars, variety.ambient, variety.moduli, polynomials)
  return jax.jit(lambda b: scalars(jets.from_coordinates(b.x, b.pullback)))(batch), jax.jit(scalars)


def _forms(rows, n):
  """Packed rows (n * n, B) -> (B, n, n)."""
  return np.einsum("abk,kp->pab", index_maps.form(n), np.asarray(rows))


@pytest.mark.parametrize("case", [_CURVE, _PAIR, _SURFACE])
def test_first_scalar_and_its_slope_are_those_of_the_induced_volume(case):
  """F = log(det g / |Omega|^2) up to a constant, and |d F|^2 is taken in the metric pi g."""
  setting = _setting(*case)
  variety, _, batch = setting
  jet, _ = _jet(setting)
  n = variety.dimension
  g = np.pi * _forms(batch.fubini_study.T, n)
  ratio = np.log(np.linalg.det(g).real / np.asarray(batch.omega)) - np.asarray(jet.value[:, 0])
  np.testing.assert_allclose(ratio, ratio[0], atol=1e-11)
  slope = np.asarray(jet.rows[1 : 1 + n, :, 0] + 1j * jet.rows[1 + n : 1 + 2 * n, :, 0]).T
  size = np.einsum("pb,pba,pa->p", slope.conj(), np.linalg.inv(g), slope).real
  np.testing.assert_allclose(np.expm1(jet.value[:, 1]), size, rtol=1e-10)


@pytest.mark.parametrize("case", [_CURVE, _PAIR])
def test_gauss_equation(case):
  """Ric = (n + 1) g - M = -d dbar F on a subvariety of projective space, g = d dbar log|z|^2."""
  setting = _setting(*case)
  variety, _, batch = setting
  jet, _ = _jet(setting)
  n = variety.dimension
  g = np.pi * _forms(batch.fubini_study.T, n)
  m = (n + 1) * np.eye(n) + np.linalg.solve(g, _forms(jet.mixed[..., 0], n))
  np.testing.assert_allclose(
    np.expm1(jet.value[:, 2]), np.trace(m, axis1=1, axis2=2).real, rtol=1e-10
  )
  np.testing.assert_allclose(
    np.expm1(jet.value[:, 3]), np.trace(m @ m, axis1=1, axis2=2).real, rtol=1e-10
  )


@pytest.mark.parametrize("case", [_PAIR, _SURFACE])
def test_jets_agree_with_finite_differences(case):
  setting = _setting(*case)
  variety, _, batch = setting
  jet, scalars = _jet(setting)
  np.testing.assert_allclose(jet.value, scalars(batch.x), rtol=1e-12)
  rng = np.random.default_rng(0)
  u = rng.normal(size=variety.dimension) + 1j * rng.normal(size=variety.dimension)
  dz = np.einsum("a,pai->pi", u, batch.pullback)

  def at(w):
    moved = np.concatenate([(w * dz).real, (w * dz).imag], axis=1)
    return np.asarray(scalars(np.asarray(batch.x) + moved))

  # The Laplacian on a line in the tangent space, to sixth order, is 4 u_a conj(u_b) d_a dbar_b.
  step, weights = 2e-3, {0: -49 / 18, 1: 3 / 2, 2: -3 / 20, 3: 1 / 90}
  laplacian = (
    sum(weights[abs(k)] * (at(k * step) + at(1j * k * step)) for k in range(-3, 4)) / step**2
  )
  mixed = np.einsum("abk,kpf->pabf", index_maps.form(variety.dimension), np.asarray(jet.mixed))
  np.testing.assert_allclose(
    4 * np.einsum("a,b,pabf->pf", u, u.conj(), mixed).real, laplacian, rtol=1e-6, atol=1e-7
  )


def test_neither_unitary_maps_nor_other_combinations_of_the_polynomials_change_them():
  rng = np.random.default_rng(1)
  forms = [rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5)) for _ in range(2)]
  unitary = np.linalg.qr(rng.normal(size=(5, 5)) + 1j * rng.normal(size=(5, 5)))[0]

  def table(form):
    """z -> z^T form z."""
    i, j = np.triu_indices(5)
    return np.eye(5, dtype=int)[i] + np.eye(5, dtype=int)[j], np.where(
      i == j, form[i, j], form[i, j] + form[j, i]
    )

  def scalars(forms, z):
    x = jnp.asarray(np.concatenate([z.real, z.imag], axis=1))
    tables = [table(form) for form in forms]
    return jax.jit(lambda x: extrinsic.scalars((4,), (1.0,), tables, x))(x)

  z = np.stack([_on_both(forms, rng.normal(size=5) + 1j * rng.normal(size=5)) for _ in range(3)])
  expected = scalars(forms, z)
  turned = [unitary.T @ form @ unitary for form in forms]
  np.testing.assert_allclose(
    scalars(turned, (2 - 1j) * np.linalg.solve(unitary, z.T).T), expected, rtol=1e-9
  )
  mixed = [forms[0] + 2j * forms[1], 3 * forms[1] - forms[0]]
  offset = np.asarray(scalars(mixed, z) - expected)
  np.testing.assert_allclose(offset[:, 1:], 0, atol=1e-9)
  np.testing.assert_allclose(offset[:, 0], offset[0, 0], atol=1e-9)


def _on_both(forms, z):
  """Newton's method from z to a common zero of two quadratic forms."""
  for _ in range(50):
    values = np.array([z @ form @ z for form in forms])
    slopes = np.array([(form + form.T) @ z for form in forms])
    z = z - np.linalg.lstsq(slopes, values, rcond=None)[0]
  assert np.abs(values).max() < 1e-12 * np.linalg.norm(z) ** 2
  return z
