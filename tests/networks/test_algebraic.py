"""Algebraic metrics: jets against nested autodiff, invariance, their parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import algebraic, jets, jets22
from tests.networks import reference, test_jets22, test_sections


def _network(ambient, moduli, n, batch=2):
  """A metric on the ambient space: all monomials, randomly mixed, and a random positive H."""

  def sections(degree):
    exponents = test_sections.monomials(ambient, [int(degree * t) for t in moduli])
    return exponents, test_sections.coefficients_like(exponents, "near", ambient)

  apply, _, x, pullback = reference.network(
    lambda x: algebraic.AlgebraicMetric(ambient, moduli, sections, degree=2)(x), ambient, n, batch
  )
  size = sections(2)[1].shape[1]
  w = np.random.default_rng(2).normal(size=(2, size, size))
  form = np.eye(size) + (w[0] + 1j * w[1]) @ (w[0] - 1j * w[1]).T / size
  h = algebraic.real_matrix(form.real, form.imag)
  return apply, {"algebraic_metric": {"h": h}}, x, pullback


@pytest.mark.parametrize(
  "ambient, moduli, n", [((2,), (1.0,), 1), ((4,), (1.0,), 3), ((1, 2), (1.0, 0.5), 2)]
)
def test_jet_equals_nested_autodiff(ambient, moduli, n):
  apply, params, x, pullback = _network(ambient, moduli, n)
  jet = apply(params, jets.from_coordinates(x, pullback))
  expected = reference.nested_jet(lambda x: apply(params, x), x, pullback)
  assert jet.shape == (2,) and jet.num_directions == n
  np.testing.assert_allclose(jet.rows, expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max())


def test_jet22_equals_nested_autodiff():
  """test_invariant.py has two factors and two directions."""
  ambient, moduli, n = (2,), (1.0,), 1
  apply, params, x, pullback = _network(ambient, moduli, n, batch=1)
  second = test_jets22._second(ambient, n, 1)
  jet = apply(params, jets22.from_coordinates(x, pullback, second))
  lower = apply(params, jets.from_coordinates(x, pullback))
  np.testing.assert_allclose(jet.rows[: (1 + n) ** 2], lower.rows, rtol=1e-11, atol=1e-12)
  expected = test_jets22.nested_rows(lambda x: apply(params, x), x[0], pullback[0], second[0])
  np.testing.assert_allclose(
    jet.rows[:, 0], expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max()
  )


def test_parameter_gradient_equals_that_of_nested_autodiff():
  apply, params, x, pullback = _network((2,), (1.0,), 1)
  by_jets = lambda p: jnp.square(apply(p, jets.from_coordinates(x, pullback)).rows).sum()
  by_autodiff = lambda p: jnp.square(reference.nested_jet(lambda x: apply(p, x), x, pullback)).sum()
  got, expected = jax.jit(jax.grad(by_jets))(params), jax.jit(jax.grad(by_autodiff))(params)
  got, expected = (tree["algebraic_metric"]["h"] for tree in (got, expected))
  np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max())


def test_invariant_under_rescaling_each_factor():
  reference.assert_invariant_under_rescaling(*_network((1, 2), (1.0, 0.5), 2))


def test_hermitian_matrix_and_its_packed_form():
  rng = np.random.default_rng(0)
  h, s = rng.normal(size=(4, 4)), rng.normal(size=(4, 2)) @ [1, 1j]
  re, im = algebraic.hermitian_matrix(h)
  form = np.asarray(re) + 1j * np.asarray(im)
  np.testing.assert_array_equal(form, form.conj().T)
  np.testing.assert_allclose(2**0.5 * form[1, 2].real, h[1, 2], rtol=1e-15)
  np.testing.assert_allclose(2**0.5 * form[2, 1].imag, h[2, 1], rtol=1e-15)
  np.testing.assert_allclose(np.sum(h**2), np.sum(np.abs(form) ** 2), rtol=1e-14)
  np.testing.assert_allclose(algebraic.real_matrix(re, im), h, rtol=1e-15)
  packed = np.concatenate([s.real, s.imag]) @ np.asarray(algebraic.packed_form(h))
  np.testing.assert_allclose(packed[:4] + 1j * packed[4:], form @ s, rtol=1e-13)


@pytest.mark.parametrize("degree", [0, 1.5, -2, "2"])
def test_bad_degrees_are_refused(degree):
  with pytest.raises(ValueError, match="positive whole number"):
    algebraic.check_degree(degree)
