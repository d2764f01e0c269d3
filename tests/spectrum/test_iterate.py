"""Eigenfunctions without matrices against those of matrices."""

import jax
import numpy as np
import pytest

from networks import algebraic
from tests.quadrature import spaces
from trainer.devices import parallel
from trainer.geometry import parse, sections
from trainer.geometry.sections import SectionBasis
from trainer.geometry.variety import Variety
from trainer.points import dataset
from trainer.quadrature import background as backgrounds
from trainer.quadrature import calibrate
from trainer.quadrature import functions as fields
from trainer.sampling.sampler import Sampler
from trainer.spectrum import ambient, iterate, ritz


def _complex(h):
  re, im = map(np.asarray, jax.vmap(algebraic.hermitian_matrix)(h))
  return re + 1j * im


def test_eigenfunctions_are_those_of_the_matrices():
  """Of a flat cubic curve: 81 functions of degree 3, of 100 of which 19 vanish there."""
  cubic = Variety((2,), (parse.parse_polynomial("z0^3 + z1^3 + z2^3", 3, {}),), (1.0,))
  mesh = parallel.make_mesh(jax.devices()[:2])
  points = dataset.load(dataset.of_variety(cubic, "heldout", 0, None, mesh, np.dtype(float)), 600)
  metric = lambda kappa, batch: kappa * batch.omega[None]
  per_slice, kappa = Sampler(cubic).points_per_slice, 3 / points.mean_weight
  flat = backgrounds.of_metric(cubic, metric, kappa, points, per_slice, mesh, 2**28)
  controls = calibrate.all_of_degree(fields.of_degree(cubic, 2))
  halves = [calibrate.calibrated(half, controls).background for half in flat.halves()]
  functions = fields.of_degree(cubic, 3)
  expected = ritz.find(halves, functions, 25)
  said = []
  found = iterate.find(halves, functions, 25, tolerance=1e-10, progress=said.append)
  assert len(found.modes.values) == 20 and not found.modes.complete and 1 < len(said) < 120
  pairs = zip([found.modes.values, *found.of_halves], [expected.modes.values, *expected.of_halves])
  for values, of_matrices in pairs:
    np.testing.assert_allclose(values[:20], of_matrices[:20], rtol=1e-8, atol=1e-8)
  # The same spaces of functions, too.
  mass = np.mean([ritz.grams(half, functions).mass for half in halves], axis=0)
  overlap = found.modes.forms[:7].reshape(7, -1) @ mass @ expected.modes.forms[:7].reshape(7, -1).T
  np.testing.assert_allclose(np.linalg.svd(overlap)[1], 1, rtol=1e-6)


@pytest.mark.parametrize("degree", [1, 2])
def test_the_inverse_of_m_on_a_projective_space(degree):
  functions = spaces.functions_on(1, degree)
  controls = calibrate.all_of_degree(spaces.functions_on(1, 2 * degree))
  exact = calibrate.calibrated(spaces.projective_space(1, 800), controls).background
  h = np.eye(functions.count).reshape(-1, functions.size, functions.size)
  inverse = ambient.inverse_mass(functions, _complex(h))
  inverse = jax.vmap(algebraic.real_matrix)(inverse.real, inverse.imag).reshape(len(h), -1)
  product = inverse @ ritz.grams(exact, functions).mass
  np.testing.assert_allclose(product, product[0, 0] * np.eye(len(h)), atol=1e-9 * product[0, 0])


def _on_a_product(degrees):
  exponents = sections.monomials((1, 2), degrees)
  scales = sections.monomial_scales((1, 2), exponents)
  return fields.Functions((1, 2), SectionBasis(exponents, np.diag(scales).astype(complex)))


def _values(functions, forms, z):
  s = np.prod(z[:, None] ** functions.basis.exponents, axis=2) @ functions.basis.coefficients
  parts = slice(0, 2), slice(2, 5)
  degrees = [functions.basis.exponents[0, part].sum() for part in parts]
  norms = [np.sum(np.abs(z[:, p]) ** 2, axis=1) ** k for p, k in zip(parts, degrees, strict=True)]
  return np.einsum("pa,rab,pb->rp", s.conj(), forms, s).real / np.prod(norms, axis=0)


def test_functions_of_a_lower_degree_are_embedded():
  z = np.random.default_rng(0).normal(size=(4, 5, 2)) @ [1, 1j]
  found, own = (
    _values(functions, ambient.embedded(functions, 1), z)
    for functions in map(_on_a_product, ((2, 3), (1, 1)))
  )
  assert found.shape == (36, 4)
  np.testing.assert_allclose(found / found[0, 0], own / own[0, 0], rtol=1e-9)
