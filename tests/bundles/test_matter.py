"""Harmonic forms with values in line bundles: on a torus in closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import sections as section_jets
from tests.geometry.varieties import random_variety, some_points
from tests.quadrature import spaces
from trainer.bundles import cohomology, matter, topology
from trainer.bundles import forms as form_values
from trainer.curvature import contractions
from trainer.errors import UserError
from trainer.geometry import sections
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Rows

BUNDLE = (-1, -1)
TAU, SHIFT, GRID = 0.2 + 0.9j, 0.31 + 0.17j, 26


@functools.lru_cache(maxsize=1)
def _torus():
  """(p(u), p(u + shift)) in P^1 x P^1, flat with area 1, on a grid: quadrature is exact."""
  a, b = np.meshgrid(*[(np.arange(GRID) + 0.5) / GRID] * 2)
  u = (a + TAU * b).ravel()

  def half(u):
    w = np.pi * (u + TAU * np.arange(-8, 9)[:, None])
    return np.sum(1 / np.sin(w) ** 2, axis=0), np.sum(-2 * np.pi * np.cos(w) / np.sin(w) ** 3, 0)

  (x, dx), (y, dy) = half(u), half(u + SHIFT)
  size = [np.maximum(np.abs(v), 1) for v in (x, y)]
  z = np.stack([x / size[0], 1 / size[0], y / size[1], 1 / size[1]], axis=1)
  pullback = np.stack([dx / size[0], 0 * x, dy / size[1], 0 * x], axis=1)[:, None]
  exponents = sections.monomials((1, 1), (2, 2))
  values = np.prod(z[:, None] ** exponents, axis=2)
  null = np.linalg.svd(values)[2][-1].conj()
  assert np.max(np.abs(values @ null)) < 1e-11
  polynomial = Polynomial(tuple(map(tuple, exponents)), tuple(null))
  one = np.ones(len(u))
  rows = Rows(
    np.concatenate([z.real, z.imag], 1), pullback, one[:, None, None] + 0j, one / len(u), one
  )
  return Variety((1, 1), (polynomial,), (1.0, 1.0)), rows


@functools.lru_cache(maxsize=2)
def _background(devices):
  variety, rows = _torus()
  return spaces.of_rows(variety.ambient, rows, 1.0, devices)


@functools.lru_cache(maxsize=1)
def _fibre_metric():
  functions = fields.of_degree(_torus()[0], 1)
  h = 0.2 * np.random.default_rng(0).normal(size=(1, functions.size, functions.size))

  def values(_, rows):
    u, slope = fields.values(functions.frame(rows), h)
    return matter.FibreMetric(u[:, 0], slope[:, :, 0])

  return values


def _norms(nu):
  return np.einsum("p,pai,pbi->ab", _torus()[1].volume, nu, nu.conj())


def test_harmonic_forms_on_a_torus_are_conjugate_sections():
  # dbar* nu = 0 on a curve if e^-f nu is the conjugate of a section sigma of the dual times Omega,
  # and the integral of nu sigma Omega depends on the class only.
  variety, rows = _torus()
  found = []
  for devices in (1, 4):
    background = _background(devices)
    fibre = background.at_points(_fibre_metric())
    h = matter.solve(variety, BUNDLE, 2, (background, fibre), iterations=100)
    found.append(matter.at_points(variety, BUNDLE, 2, h, background, fibre))
  np.testing.assert_allclose(*(_norms(f["nu"]) for f in found), atol=1e-9)
  first = matter.at_points(variety, BUNDLE, 2, None, background, fibre)
  dual = section_jets.monomial_rows(sections.monomials((1, 1), (1, 1)), (1, 1), jnp.asarray(rows.x))
  sigma, f = np.asarray(dual.re + 1j * dual.im)[0], np.asarray(fibre.f)
  pair = lambda nu: (rows.volume[:, None] * nu[:, :, 0] * np.exp(f / 2)[:, None]).T @ sigma
  np.testing.assert_allclose(pair(found[0]["nu"]), pair(first["nu"]), atol=1e-9)
  weight = (rows.volume * np.exp(f))[:, None]
  exact = pair(first["nu"]) @ np.linalg.solve(
    (weight * sigma.conj()).T @ sigma, pair(first["nu"]).conj().T
  )
  excess = np.linalg.eigvalsh(_norms(found[0]["nu"]) - exact)
  assert excess[0] > 0 and excess[-1] < 2e-3 * np.trace(exact).real
  assert np.linalg.eigvalsh(_norms(first["nu"]) - exact)[-1] > 0.05 * np.trace(exact).real


def test_codifferentials_are_adjoint_to_dbar():
  variety, rows = _torus()
  background, bundle = _background(1), (1, -2)
  fibre = background.at_points(_fibre_metric())
  of = form_values.sections_of(variety, bundle, 1)
  h = np.random.default_rng(1).normal(size=(2, *of.shape)) + 0j

  def sections_and_forms(h, rows):
    s, t, _ = of.frames(rows)
    return jnp.einsum("pa,rab,pb->pr", s[:, 0], h, t[:, 0].conj()), (
      form_values.exact_forms(of, h, rows)[:, :, 0]
    )

  s, dbar_s = background.at_points(sections_and_forms, h)
  values = matter.at_points(variety, bundle, 1, h, background, fibre)
  weight = rows.volume * np.exp(-fibre.f / 2)
  left = np.einsum("p,pr,ps->rs", weight, values["codifferential"], s.conj())
  right = np.einsum("p,pr,ps->rs", weight, values["nu"][:, :, 0], dbar_s.conj())
  np.testing.assert_allclose(left, right, atol=1e-9 * np.max(np.abs(right)))
  arrays = jax.tree.map(jnp.asarray, rows)
  r = np.random.default_rng(2).normal(size=(len(s), 2)) + 0j
  back = form_values.box_transposed(of, r, arrays, fibre.slope)
  there = form_values.box(of, h, arrays, fibre.slope)
  np.testing.assert_allclose(np.vdot(back, h), np.vdot(r, there), rtol=1e-10)


def _on_space(forms, z):
  """Components (R, N) along conj(dz) in homogeneous coordinates z (N,), from the definition."""
  power = lambda m: np.prod(z**m, axis=1)
  value = np.einsum(
    "m,rmn,n->r", power(forms.holomorphic), forms.coefficients, power(forms.conjugate).conj()
  )
  eps = np.zeros(len(z), complex)
  x = slice(2 * forms.factor, 2 * forms.factor + 2)
  eps[x] = -z[x][1].conj(), z[x][0].conj()
  for i, v in enumerate(z.reshape(-1, 2)):
    b = forms.conjugate[0, 2 * i : 2 * i + 2].sum() + 2 * (i == forms.factor)
    value = value / np.linalg.norm(v) ** (2 * b)
  return value[:, None] * eps


@pytest.mark.parametrize("bundle, count", [((0, 2, -2, 0), 3), ((-1, -3, 2, 2), 8)])
def test_forms_are_closed_on_the_tetraquadric(bundle, count):
  variety = random_variety("tetraquadric")
  assert cohomology.dimension(variety, bundle) == count
  (forms,) = cohomology.classes(variety, bundle)
  (z,) = some_points(variety, 1)
  rng = np.random.default_rng(0)
  normal = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)
  dq = np.array([q(z) for q in variety.gradients[0]])
  tangent = np.linalg.svd(dq[None])[2][1:].conj()[:2]
  step = 1e-5

  def exterior(z, u, v):
    along = lambda u, v: (
      sum(
        phase * (_on_space(forms, z + step * w * u) - _on_space(forms, z - step * w * u)) @ v.conj()
        for w, phase in ((1, 1), (1j, 1j))
      )
      / (4 * step)
    )
    return along(u, v) - along(v, u)

  size = np.max(np.abs(_on_space(forms, z)))
  assert np.max(np.abs(exterior(z, *tangent))) < 1e-8 * size
  away = np.max(np.abs(exterior(normal(8), *normal(2, 8))))
  assert (away > 1e-3) == (bundle[0] == -1)  # dbar nu = p omega of the second type.
  # Values in a frame; another scaling of z changes phases only.
  scale = np.repeat(normal(4), 2)
  chart = np.eye(3, 8) @ normal(8, 8)
  root = normal(3, 3)
  rows = [
    Rows(
      np.concatenate([z.real, z.imag])[None],
      j[None],
      (root @ root.conj().T)[None],
      *[np.ones(1)] * 2,
    )
    for z, j in ((z, chart), (scale * z, scale * chart))
  ]
  nu, turned = (
    np.asarray(form_values.representatives([forms], variety.ambient, r).nu)[0] for r in rows
  )
  unit = np.repeat(1 / np.linalg.norm(z.reshape(-1, 2), axis=1), 2)
  frame = np.asarray(contractions.unitary_frame(jnp.asarray(rows[0].metric)))[0]
  expected = _on_space(forms, unit * z) @ (frame @ (unit * chart)).conj().T
  np.testing.assert_allclose(nu, expected, atol=1e-10 * np.max(np.abs(nu)))
  phase = np.prod((scale / abs(scale))[::2] ** np.array(bundle))
  np.testing.assert_allclose(turned, phase * nu, atol=1e-10 * np.max(np.abs(nu)))


def test_dimensions_are_those_of_the_index_or_an_error_says_why():
  variety = random_variety("tetraquadric")
  for bundle in ((1, 1, 0, -2), (-1, -3, 2, 2), (0, 0, 1, -3), (0, -2, 1, 3)):
    index = topology.index(variety.ambient, variety.degrees, bundle)
    assert cohomology.dimension(variety, bundle) == -index > 0
  assert cohomology.dimension(variety, (1, 1, 0, 1)) == 0
  curve = _torus()[0]
  assert len(cohomology.classes(curve, (0, -2))) == 2  # Of both types.
  assert cohomology.dimension(curve, (0, -2)) == 4
  with pytest.raises(UserError, match="kernel or a quotient"):
    cohomology.classes(variety, (-2, -2, 3, 3))
  with pytest.raises(UserError, match="factors P"):
    cohomology.classes(random_variety("bicubic"), (3, -1))
