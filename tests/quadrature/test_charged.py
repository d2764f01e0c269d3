"""Functions of one charge: which they are, and Poisson's equation for them on P^2."""

import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic
from tests.quadrature import spaces
from trainer.geometry import members
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.quadrature import charged
from trainer.quadrature import functions as fields

_PRODUCT = (Polynomial(((1,) * 5,), (-5,)),)


def _quintic(psi):
  return Variety((4,), (members.dwork(5, psi),), (1.0,))


def test_pairs_by_hand():
  fermat = _quintic(0.0)
  functions = fields.of_degree(fermat, 4)
  leading = np.argmax(np.abs(functions.basis.coefficients), axis=0)
  exponents = np.array(functions.basis.exponents)[leading]
  found = charged.pairs(fermat, functions, _PRODUCT)
  # z^A conj(z^B), A - B = (1, 1, 1, 1, 1) mod 5: the product of four over the power of the fifth.
  assert len(found.left) == 5
  assert all(exponents[a].max() == 1 and exponents[b].max() == 4 for a, b in zip(*found))
  # Charge 0: z^4 conj(z^4) of 70 monomials, none of which differ by fifth powers.
  assert len(charged.pairs(fermat, functions).left) == 70
  # Away from psi = 0 the product is of charge 0 itself.
  dwork = _quintic(0.5)
  assert charged.pairs(dwork, functions, _PRODUCT) == charged.pairs(dwork, functions)
  assert len(charged.pairs(dwork, functions).left) == 80
  # A direction that turns by several phases leaves fewer symmetries, and more functions.
  both = (Polynomial(((1,) * 5, (3, 2, 0, 0, 0)), (1, 1)),)
  assert set(zip(*found)) < set(zip(*charged.pairs(fermat, functions, both)))


def test_poissons_equation_for_a_complex_function():
  functions = spaces.functions_on(2, 2)
  chosen = charged.Pairs((0, 1, 4, 3, 2), (3, 2, 4, 0, 5))
  truth = np.random.default_rng(0).normal(size=(2, 5, 2)) @ np.array([1, 1j])
  forms = charged.forms(chosen, truth, functions.size)
  hermitian = (forms + np.conj(np.swapaxes(forms, 1, 2))) / 2
  parts = np.concatenate([hermitian, (forms - hermitian) / 1j])
  h = np.asarray(jax.vmap(algebraic.real_matrix)(parts.real, parts.imag))
  background = spaces.projective_space(2, 60)
  box = background.at_points(lambda h, rows: fields.box(functions.frame(rows), h), h)
  box = box[:, :2] + 1j * box[:, 2:]
  features = background.at_points(
    lambda _, rows: charged.box_features(functions.frame(rows), chosen)
  )
  np.testing.assert_allclose(features @ truth.T, box, atol=1e-10)
  found = charged.solve(background, functions, chosen, jnp.asarray(box + (0.3 - 2j)))
  np.testing.assert_allclose(found, truth, atol=1e-9)
