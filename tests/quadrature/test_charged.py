"""Functions of one charge: which they are, and Poisson's equation for them on P^2."""

import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic
from tests.geometry.varieties import some_points
from tests.quadrature import spaces
from trainer.geometry import members, patches, sections
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.quadrature import charged
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Rows
from trainer.quadrature.charges import Charges, permutations

_PRODUCT = (Polynomial(((1,) * 5,), (-5,)),)


def _quintic(psi):
  return Variety((4,), (members.dwork(5, psi),), (1.0,))


def test_functions_by_hand():
  fermat, dwork = _quintic(0.0), _quintic(0.5)
  exponents = sections.monomials((4,), (4,))
  left, right = Charges(fermat, _PRODUCT).pairs(exponents)
  # z^A conj(z^B), A - B = (1, 1, 1, 1, 1) mod 5: the product of four over the power of the fifth.
  assert len(left) == 5
  assert np.all(exponents[left].max(1) == 1) and np.all(exponents[right].max(1) == 4)
  # Charge 0: z^4 conj(z^4) of 70 monomials, none of which differ by fifth powers.
  assert len(Charges(fermat).pairs(exponents)[0]) == 70
  # Away from psi = 0 the product is of charge 0 itself.
  along, none = (Charges(dwork, d).pairs(exponents) for d in (_PRODUCT, None))
  np.testing.assert_array_equal(along, none)
  assert len(along[0]) == 80
  # Permutations leave one of the 5; the 70 are 4, 31, 22, 211, 1111; the 80 have two orbits more.
  assert len(permutations(dwork, _PRODUCT)) == 120
  assert charged.of_degree(fermat, 4, _PRODUCT).count == 1
  assert charged.of_degree(fermat, 4).count == 5
  assert charged.of_degree(dwork, 4).count == 7
  # A direction with less symmetry leaves more functions.
  both = (Polynomial(((1,) * 5, (3, 2, 0, 0, 0)), (1, 1)),)
  assert len(permutations(fermat, both)) == 6
  assert set(zip(left, right)) < set(zip(*Charges(fermat, both).pairs(exponents)))


def test_relations_leave_independent_functions_that_permutations_keep():
  cubic = Variety((2,), (members.dwork(3, 0.3),), (1.0,))
  chosen = charged.of_degree(cubic, 4)
  assert chosen.weights.shape == (len(chosen.left), chosen.count)
  z = some_points(cubic, 4)
  z = np.concatenate([z, z[:, [1, 2, 0]], z * np.exp(2j * np.pi * np.array([0, 1, 2]) / 3)])
  coefficients = chosen.functions.basis.coefficients
  s = np.prod(z[:, None] ** chosen.functions.basis.exponents, axis=2) @ coefficients
  f = (s[:, chosen.left] * s[:, chosen.right].conj()) @ chosen.weights
  f = (f / np.sum(np.abs(z) ** 2, axis=1)[:, None] ** 4).reshape(3, 4, -1)
  np.testing.assert_allclose(f[1:], f[:1].repeat(2, axis=0), atol=1e-11)


def test_poissons_equation_for_a_complex_function():
  functions = spaces.functions_on(2, 2)
  left, right = np.array((0, 1, 4, 3, 2)), np.array((3, 2, 4, 0, 5))
  weights = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
  chosen = charged.Charged(functions, left, right, weights)
  truth = np.random.default_rng(0).normal(size=(2, 5, 2)) @ np.array([1, 1j])
  forms = chosen.forms(truth)
  hermitian = (forms + np.conj(np.swapaxes(forms, 1, 2))) / 2
  parts = np.concatenate([hermitian, (forms - hermitian) / 1j])
  h = np.asarray(jax.vmap(algebraic.real_matrix)(parts.real, parts.imag))
  background = spaces.projective_space(2, 60)
  box = background.at_points(lambda h, rows: fields.box(functions.frame(rows), h), h)
  box = box[:, :2] + 1j * box[:, 2:]
  features = background.at_points(lambda _, rows: chosen.box_features(functions.frame(rows)))
  np.testing.assert_allclose(features @ truth.T, box, atol=1e-10)
  found = charged.solve(background, chosen, jnp.asarray(box + (0.3 - 2j)))
  np.testing.assert_allclose(found, truth, atol=1e-9)


def test_controls_are_real_and_independent():
  cubic = Variety((2,), (members.dwork(3, 0.3),), (1.0,))
  z = some_points(cubic, 40)
  at = lambda z: patches.pullback(cubic, z, patches.choose_chart(cubic, z))
  pullback, one = jax.jit(jax.vmap(at))(z), np.ones(len(z))
  x, g = np.concatenate([z.real, z.imag], axis=1), np.ones((len(z), 1, 1), complex)
  rows = Rows(x, pullback, g, one, one)
  found = np.asarray(jax.jit(charged.controls(cubic, 3))(rows))
  assert found.shape == (len(z), charged.of_degree(cubic, 3).count)
  # One combination of them is the constant, in any metric.
  values = np.linalg.svd(found, compute_uv=False)
  assert values[-1] < 1e-10 * values[0] < 1e-7 * values[-2]
