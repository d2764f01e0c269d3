"""Functions f_AB against derivatives of their definition, and Poisson's equation on P^n."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic, symmetry
from networks import sections as section_jets
from tests.quadrature import spaces
from trainer.curvature import contractions, wirtinger
from trainer.geometry import hermitian, sections
from trainer.geometry.sections import SectionBasis
from trainer.quadrature import calibrate, least_squares, products
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Rows


def _forms(count, size, seed=0):
  return np.random.default_rng(seed).normal(size=(count, size, size))


def test_values_gradients_and_laplacians_are_those_of_their_definition():
  rng = np.random.default_rng(0)
  normal = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)
  ambient, count = (1, 2), 3
  exponents = sections.monomials(ambient, (2, 1))
  mix = normal(len(exponents), 5)
  functions = fields.Functions(ambient, SectionBasis(exponents, mix))
  z, pullback, root = normal(count, 5), normal(count, 2, 5), normal(count, 2, 2)
  x, g = np.concatenate([z.real, z.imag], axis=1), root @ root.conj().transpose(0, 2, 1)
  rows = Rows(x, pullback, g, np.ones(count), np.ones(count))
  h = _forms(4, 5)

  def u(h, x):
    s = section_jets.section_rows(exponents, mix, ambient, x)[0]
    return s @ algebraic.packed_form(h) @ s

  def expected(h):
    mixed = hermitian.unpack(wirtinger.levi_forms(functools.partial(u, h), x, pullback))
    real = jax.vmap(jax.grad(functools.partial(u, h)))(x)
    slope = jnp.einsum("pai,pi->pa", pullback, (real[:, :5] - 1j * real[:, 5:]) / 2)
    slope = jnp.einsum("pia,pa->pi", contractions.unitary_frame(g), slope)
    box = jnp.sum(contractions.inverse(g) * mixed, axis=(1, 2)).real
    return jax.vmap(functools.partial(u, h))(x), slope, box

  @jax.jit
  def found(h):
    frame = functions.frame(rows)
    dense = fields.value_features(frame), fields.slope_features(frame), fields.box_features(frame)
    forms = *fields.values(frame, h), fields.box(frame, h)
    return forms, dense, fields.box_transposed(frame, jnp.ones((count, 4)))

  forms, dense, transposed = found(h)
  for value, form in zip(forms, jax.jit(jax.vmap(expected, out_axes=-1))(h), strict=True):
    np.testing.assert_allclose(value, form, rtol=1e-9, atol=1e-9)
  flat = h.reshape(4, -1).T
  slopes = np.concatenate([forms[1].real, forms[1].imag], axis=1)
  for feature, form in zip(dense, (forms[0], slopes, forms[2]), strict=True):
    np.testing.assert_allclose(feature @ flat, form, rtol=1e-9, atol=1e-9)
  np.testing.assert_allclose(transposed[0].ravel(), np.sum(dense[2], axis=0), rtol=1e-9, atol=1e-9)


def test_poissons_equation_on_a_projective_space():
  # Functions of degree 1 without constant part have eigenvalue -pi (n + 1) of Box.
  background, other = (spaces.projective_space(2, 60, seed) for seed in (0, 1))
  linear, quadratic = spaces.functions_on(2, 1), spaces.functions_on(2, 2)
  h = _forms(2, 3)
  h[:, range(3), range(3)] -= np.trace(h, axis1=1, axis2=2)[:, None] / 3
  u = lambda h, rows: fields.values(linear.frame(rows), h)[0]
  rhs, there = (-math.pi * 3 * b.at_points(u, h) for b in (background, other))
  for dense in (3000, 0):
    fit = least_squares.solve(
      background, quadratic, rhs, (other, there), iterations=60, dense=dense
    )
    np.testing.assert_allclose(fit.heldout, 0, atol=1e-6)
    found = other.at_points(lambda h, rows: fields.values(quadratic.frame(rows), h)[0], fit.h)
    expected = other.at_points(u, h)
    constant = np.mean(found - expected, axis=0)
    np.testing.assert_allclose(found - constant, expected, atol=1e-5)
  assert fit.iterations > 0


def test_integrals_do_not_depend_on_the_devices():
  quadratic = spaces.functions_on(2, 2)
  square = lambda _, rows: rows.volume @ fields.value_features(quadratic.frame(rows)) ** 2
  one, four = (spaces.projective_space(2, 60, 0, devices).integral(square) for devices in (1, 4))
  np.testing.assert_allclose(one, four, rtol=1e-13)


def test_calibrated_weights_integrate_functions_of_that_degree_exactly():
  # int |s_A|^2 / |z|^2 over P^1 of volume 1 is 1/2 for both sections: f - 1/2 is a Laplacian.
  background, linear = spaces.projective_space(1, 400), spaces.functions_on(1, 1)
  group = symmetry.Generators(1, (), ((1, 0),), False)
  controls = calibrate.all_of_degree(linear), calibrate.invariants(linear, group)
  mean = lambda _, rows: rows.volume @ fields.value_features(linear.frame(rows))
  assert np.max(np.abs(background.integral(mean) - [0.5, 0, 0, 0.5])) > 1e-3
  whole, some = (calibrate.calibrated(background, c) for c in controls)
  np.testing.assert_allclose(whole.background.integral(mean), [0.5, 0, 0, 0.5], atol=1e-12)
  of_some = some.background.integral(mean)
  assert abs(of_some[1]) < 1e-12 and abs(of_some[0] - 0.5) > 1e-4
  assert 0 < some.spread < whole.spread < 0.2 and 0 < whole.least < 1
  first, second = (half.integral(mean) for half in background.halves())
  np.testing.assert_allclose((first + second) / 2, background.integral(mean), rtol=1e-12)


def test_calibration_is_exact_where_its_matrix_is_rounded(monkeypatch):
  monkeypatch.setattr(calibrate, "_SINGLE", 0)
  background, cubic = spaces.projective_space(1, 400), spaces.functions_on(1, 3)
  controls = calibrate.all_of_degree(cubic)
  found = calibrate.calibrated(background, controls)
  box = lambda _, rows: rows.volume @ fields.box_features(cubic.frame(rows))
  assert np.max(np.abs(background.integral(box))) > 0.1
  np.testing.assert_allclose(found.background.integral(box), 0, atol=1e-10)
  some = lambda _, rows: fields.value_features(cubic.frame(rows))
  rest, count = calibrate.unexplained(background, controls, found, background.at_points(some))
  # Every function is a constant and a Laplacian.
  assert count == 17 and np.max(np.abs(rest)) < 1e-4


def test_halves_of_products_make_the_matrix(monkeypatch):
  monkeypatch.setattr(products, "_BLOCK", 2)
  rng = np.random.default_rng(0)
  f, weights = jnp.asarray(rng.normal(size=(7, 5))), jnp.asarray(rng.normal(size=7))
  blocks = products.halves(f, weights)
  assert [block.shape for block in blocks] == [(2, 5), (2, 3), (1, 1)]
  expected = np.einsum("p,pi,pj->ij", weights, f, f)
  np.testing.assert_allclose(products.matrix(list(map(np.asarray, blocks))), expected, rtol=1e-12)
