"""Means over the symmetry group of the Fermat cubic, a flat curve."""

import itertools
import math
import types

import jax
import ml_collections
import numpy as np
import pytest

from networks import algebraic
from networks.symmetry import Generators
from tests.geometry.varieties import some_points
from trainer.devices import parallel
from trainer.geometry import parse
from trainer.geometry.variety import Variety
from trainer.points import dataset
from trainer.quadrature import background as backgrounds
from trainer.quadrature import calibrate
from trainer.quadrature import functions as fields
from trainer.sampling.sampler import Sampler
from trainer.spectrum import blocks as by_group
from trainer.spectrum import group as groups
from trainer.spectrum import measure

_CUBIC = Variety((2,), (parse.parse_polynomial("z0^3 + z1^3 + z2^3", 3, {}),), (1.0,))
_GROUP = Generators(3, ((1, 0, 0),), ((1, 2, 0), (1, 0, 2)), True)
_POINTS = 1200


@pytest.fixture(scope="module")
def flat():
  """The flat metric, of volume 3, at a few points."""
  mesh = parallel.make_mesh(jax.devices()[:1])
  source = dataset.of_variety(_CUBIC, "heldout", 0, None, mesh, np.dtype(float))
  points = dataset.load(source, _POINTS)
  metric = lambda kappa, batch: kappa * batch.omega[None]
  per_slice = Sampler(_CUBIC).points_per_slice
  kappa = 3 / points.mean_weight
  return backgrounds.of_metric(_CUBIC, metric, kappa, points, per_slice, mesh, 2**28)


def test_multiplets_are_degenerate(flat):
  # One of the 10 monomials of degree 3 is a combination of others.
  functions = fields.of_degree(_CUBIC, 3)
  controls = calibrate.invariants(fields.of_degree(_CUBIC, 4), _GROUP)
  found = measure.spectrum(flat, functions, controls, blocks=by_group.make(_CUBIC, 3, _GROUP))
  unit = 8 * math.pi**2 / 3**0.5
  values = found.modes.values / unit
  first = found.levels[1]
  assert found.levels[0].multiplicity == 1 and first.multiplicity == 6
  assert np.ptp(values[1:7]) < 1e-9 and values[1] == pytest.approx(1, abs=0.02)
  assert abs(first.value / unit - values[1]) < 1e-9 and 0 < first.stderr < 0.02 * unit
  square = lambda h, rows: rows.volume @ fields.values(functions.frame(rows), h)[0] ** 2
  means = flat.integral(square, found.modes.forms[1:7]) / 3
  assert np.mean(means) == pytest.approx(1, rel=0.03) and np.ptp(means) > 0
  alone = measure.spectrum(flat, functions, controls)
  assert np.ptp(alone.modes.values[1:7]) > 1e-3 * unit


@pytest.mark.parametrize("group", [_GROUP, Generators(1, (), ((1, 2, 0),), True)])
def test_blocks_are_of_the_mean_over_all_maps(group):
  """Of products of values at some points, summed over images of these by the maps one by one."""
  blocks = by_group.make(_CUBIC, 2, group)
  rng = np.random.default_rng(0)
  z = rng.normal(size=(5, 3, 2)) @ [1, 1j]
  powers = itertools.product(range(3), repeat=3) if group.phases else [(0, 0, 0)]
  rows = itertools.permutations(range(3)) if group.phases else ([0, 1, 2], [1, 2, 0], [2, 0, 1])
  turns = [np.exp(2j * np.pi / 3 * np.array(power)) for power in powers]
  images = [turn * z[:, list(row)] for row in rows for turn in turns]
  f = _features(blocks, np.concatenate([*images, *map(np.conj, images)]))
  expected, at = f.T @ f / (2 * len(images)), _features(blocks, z)
  covered, values = [], []
  for orbit in blocks.orbits:
    matrices = np.einsum("poa,pob->oab", at[:, orbit.members], at[:, orbit.members])
    found = by_group.mean(orbit, matrices)
    own = orbit.members[0]
    np.testing.assert_allclose(found, expected[np.ix_(own, own)], atol=1e-9)
    others = np.delete(np.arange(len(expected)), own)
    np.testing.assert_allclose(expected[np.ix_(own, others)], 0, atol=1e-9)
    # Images of a function are functions at images.
    norms, vectors = np.linalg.eigh(found)
    forms = by_group.images(orbit, vectors, blocks.functions.size).reshape(-1, len(expected))
    norms = np.repeat(norms, len(orbit.members))
    np.testing.assert_allclose(forms @ expected, norms[:, None] * forms, atol=1e-9)
    covered += orbit.members.ravel().tolist()
    values += norms.tolist()
  assert sorted(covered) == list(range(len(expected))) and len(values) == len(expected)
  assert (len(blocks.orbits) > 1) == bool(group.phases)


def test_forms_of_monomials_and_of_sections_are_the_same_functions():
  cubic = parse.parse_polynomial("z0^3 + a*z1^3 + b*z2^3", 3, dict(a=1j, b=1 + 2j))
  variety = Variety((2,), (cubic,), (1.0,))
  blocks = by_group.make(variety, 3, Generators(3, ((1, 0, 0),), (), False))
  basis = fields.of_degree(variety, 3).basis
  z = some_points(variety, 5)
  forms = np.random.default_rng(0).normal(size=(2, 10, 10))

  def values(forms, coefficients):
    s = np.prod(z[:, None] ** basis.exponents, axis=2) @ coefficients
    h = jax.vmap(lambda h: jax.lax.complex(*algebraic.hermitian_matrix(h)))(forms)
    return np.einsum("pa,rab,pb->pr", s.conj(), h, s)

  found = values(by_group.in_sections(blocks.unitary, forms), basis.coefficients)
  expected = values(forms, blocks.functions.basis.coefficients)
  np.testing.assert_allclose(found, expected, atol=1e-10)


def _features(blocks, z):
  """The real basis functions of monomials, see trainer.quadrature.functions, at z (P, 3)."""
  exponents, scales = blocks.functions.basis.exponents, np.diag(blocks.functions.basis.coefficients)
  v = np.prod(z[:, None] ** exponents, axis=2) * scales
  i, j = np.indices((len(exponents),) * 2)
  product = v[:, :, None].conj() * v[:, None]
  re, im = product.real, np.swapaxes(-product.imag, 1, 2)
  return np.where(i == j, re, 2**0.5 * np.where(i < j, re, im)).reshape(len(z), -1)


def test_the_group_is_that_of_the_config_or_of_an_invariant_network():
  names = dict(order=1, phases=(), permutations=(), conjugation=False)
  run = lambda network, **changes: types.SimpleNamespace(
    network=network,
    config=ml_collections.ConfigDict({"symmetries": names | changes}),
  )
  network = (
    "invariant(degree=2, order=3, phases=((1, 0, 0),), permutations=((1, 2, 0), (1, 0, 2)), "
    "conjugation=True)"
  )
  assert groups.of_run(run(network)) == _GROUP
  assert groups.of_run(run(network + " + curvature_mlp()")) is None
  assert groups.of_run(run(network, conjugation=True)) == Generators(1, (), (), True)
  assert groups.of_run(run("algebraic(degree=2)")) is None
  assert groups.order(_CUBIC, _GROUP) == 9 * 6 * 2
