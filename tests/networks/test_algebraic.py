"""Algebraic metrics: jets against nested autodiff, invariance, their parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import algebraic, jets, jets22
from tests.networks import reference, test_jets22, test_sections

# Weights and multidegrees of a class that is no multiple of one multidegree.
_SEVERAL = ((0.3, (0, 2)), (0.25, (1, 1)), (0.375, (2, 0)))


def _network(ambient, moduli, n, batch=2, parts=None):
  """A metric on the ambient space: all monomials, randomly mixed, and random positive H_j."""
  parts = parts or ((1 / 2, [int(2 * t) for t in moduli]),)

  def terms(degree):
    exponents = [test_sections.monomials(ambient, m) for _, m in parts]
    return [
      (c, e, test_sections.coefficients_like(e, "near", ambient))
      for (c, _), e in zip(parts, exponents)
    ]

  apply, _, x, pullback = reference.network(
    lambda x: algebraic.AlgebraicMetric(ambient, moduli, terms, degree=2)(x), ambient, n, batch
  )
  rng = np.random.default_rng(2)

  def form(size):
    w = rng.normal(size=(2, size, size))
    h = np.eye(size) + (w[0] + 1j * w[1]) @ (w[0] - 1j * w[1]).T / size
    return algebraic.real_matrix(h.real, h.imag)

  names = ["h"] if len(parts) == 1 else ["h_00", "h_01", "h_02"][: len(parts)]
  forms = {name: form(term[2].shape[1]) for name, term in zip(names, terms(2), strict=True)}
  return apply, {"algebraic_metric": forms}, x, pullback


@pytest.mark.parametrize(
  "ambient, moduli, n, parts",
  [
    ((2,), (1.0,), 1, None),
    ((4,), (1.0,), 3, None),
    ((1, 2), (1.0, 0.5), 2, None),
    ((1, 2), (1.0, 0.85), 2, _SEVERAL),
  ],
)
def test_jet_equals_nested_autodiff(ambient, moduli, n, parts):
  apply, params, x, pullback = _network(ambient, moduli, n, parts=parts)
  jet = apply(params, jets.from_coordinates(x, pullback))
  expected = reference.nested_jet(lambda x: apply(params, x), x, pullback)
  assert jet.shape == (2,) and jet.num_directions == n
  np.testing.assert_allclose(jet.rows, expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize(
  "ambient, moduli, parts",
  [((2,), (1.0,), None), ((1, 1), (1.0, 0.8), ((0.5, (2, 0)), (0.8, (0, 1))))],
)
def test_jet22_equals_nested_autodiff(ambient, moduli, parts):
  """test_invariant.py has two factors and two directions."""
  n = 1
  apply, params, x, pullback = _network(ambient, moduli, n, batch=1, parts=parts)
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


@pytest.mark.parametrize("moduli, parts", [((1.0, 0.5), None), ((1.0, 0.85), _SEVERAL)])
def test_invariant_under_rescaling_each_factor(moduli, parts):
  reference.assert_invariant_under_rescaling(*_network((1, 2), moduli, 2, parts=parts))


def test_terms_of_one_multidegree_and_form_are_one_term():
  """1/4 log rho + 1/4 log rho = 1/2 log rho."""
  x, pullback = reference.points((1, 2), 2, 3)[:2]
  one, params, *_ = _network((1, 2), (1.0, 0.5), 2)
  two, *_ = _network((1, 2), (1.0, 0.5), 2, parts=((0.25, (2, 1)), (0.25, (2, 1))))
  h = params["algebraic_metric"]["h"]
  jet = jets.from_coordinates(x, pullback)
  np.testing.assert_allclose(
    two({"algebraic_metric": {"h_00": h, "h_01": 7 * h}}, jet).rows[1:],
    one(params, jet).rows[1:],
    rtol=1e-12,
    atol=1e-13,
  )


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
