"""Donaldson's balanced metric: T-operator, its fixed point, sigma, independence of the devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import algebraic
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import hermitian, members, sections
from trainer.geometry.variety import Variety
from trainer.metric import balanced
from trainer.metric.ansatz import make_ansatz
from trainer.points import dataset

_DWORK = Variety((4,), (members.dwork(5, 0.5),), (1.0,))
# Not a multiple of the four devices: there is padding.
_POINTS = 5001


def _load(data_dir, devices):
  mesh = parallel.make_mesh(jax.devices()[:devices])
  source = dataset.of_variety(_DWORK, "train", 0, data_dir, mesh, jnp.dtype(jnp.float64))
  return dataset.load(source, _POINTS).batch, mesh


def test_t_operator_equals_complex_arithmetic():
  rng = np.random.default_rng(0)
  s, a = rng.normal(size=(7, 3, 2)) @ [1, 1j], rng.normal(size=(3, 3, 2)) @ [1, 1j]
  form, weight = a @ a.conj().T, rng.uniform(1, 2, 7)
  rho = np.einsum("pi,ij,pj->p", s.conj(), form, s).real
  expected = np.einsum("p,pi,pj->ij", weight / rho, s, s.conj())
  (real, imaginary), total = balanced.t_operator(
    np.concatenate([s.real, s.imag], axis=1), weight, algebraic.real_matrix(form.real, form.imag)
  )
  np.testing.assert_allclose(real + 1j * imaginary, expected, rtol=1e-12)
  np.testing.assert_allclose(total, weight.sum())


def test_balanced_metric_of_the_dwork_quintic(data_dir):
  batch, mesh = _load(data_dir, 4)
  h = balanced.balanced_metric(_DWORK, 2, batch, mesh, tolerance=1e-9)
  alone, mesh_of_one = _load(data_dir, 1)
  np.testing.assert_allclose(
    balanced.balanced_metric(_DWORK, 2, alone, mesh_of_one, tolerance=1e-9), h, atol=1e-11
  )

  # Sections are orthonormal in the metric they define.
  basis = sections.section_basis(_DWORK, (2,))
  x, w = np.asarray(batch.x), np.asarray(batch.weight)
  z = x[:, :5] + 1j * x[:, 5:]
  s = np.prod(z[:, None, :] ** basis.exponents, axis=2) @ basis.coefficients
  re, im = (np.asarray(part) for part in algebraic.hermitian_matrix(h))
  rho = np.einsum("pi,ij,pj->p", s.conj(), re + 1j * im, s).real
  inverse = 15 / w.sum() * np.einsum("p,pi,pj->ij", w / rho, s, s.conj())
  np.testing.assert_allclose(inverse @ (re + 1j * im), np.eye(15), atol=1e-8)

  # It is a metric of the network, and nearer to the Ricci-flat one than Fubini-Study, by as much as
  # is known.
  ansatz = make_ansatz(_DWORK, "algebraic(degree=2)")
  metric = jax.jit(ansatz.metric)({"algebraic_metric": {"h": h}}, alone)
  eta = np.asarray(hermitian.determinant(metric) / alone.omega)
  w = np.asarray(alone.weight)
  sigma = np.average(np.abs(1 - eta / np.average(eta, weights=w)), weights=w)
  np.testing.assert_allclose(sigma, 0.27, atol=0.02)


def test_too_few_points_are_refused(data_dir):
  batch, mesh = _load(data_dir, 1)
  with pytest.raises(UserError, match="too few"):
    balanced.balanced_metric(_DWORK, 2, jax.tree.map(lambda a: a[:20], batch), mesh)
