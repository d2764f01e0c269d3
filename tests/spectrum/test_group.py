"""Means over the symmetry group of the Fermat cubic, a flat curve."""

import math
import types

import jax
import ml_collections
import numpy as np
import pytest

from networks.symmetry import Generators
from trainer.devices import parallel
from trainer.geometry import parse
from trainer.geometry.variety import Variety
from trainer.points import dataset
from trainer.quadrature import background as backgrounds
from trainer.quadrature import calibrate
from trainer.quadrature import functions as fields
from trainer.sampling.sampler import Sampler
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
  functions = fields.of_degree(_CUBIC, 2)
  controls = calibrate.invariants(fields.of_degree(_CUBIC, 4), _GROUP)
  found = measure.spectrum(flat, functions, controls, group=_GROUP)
  unit = 8 * math.pi**2 / 3**0.5
  values = found.modes.values / unit
  first = found.levels[1]
  assert found.levels[0].multiplicity == 1 and first.multiplicity == 6
  assert np.ptp(values[1:7]) < 1e-9 and values[1] == pytest.approx(1, abs=0.02)
  assert abs(first.value / unit - values[1]) < 1e-9 and 0 < first.stderr < 0.02 * unit
  alone = measure.spectrum(flat, functions, controls)
  assert np.ptp(alone.modes.values[1:7]) > 1e-3 * unit


@pytest.mark.parametrize("phases", [True, False])
def test_the_mean_is_that_over_all_maps(phases):
  """Of conj(s_A) s_B, the sum over the maps one by one of the products of values at images."""
  functions = fields.of_degree(_CUBIC, 1)
  group = Generators(3, ((0, 1, 2),) if phases else (), ((1, 2, 0), (1, 0, 2)), True)
  rng = np.random.default_rng(0)
  rotation = np.eye(3)
  if not phases:  # Sections that permutations and conjugation mix.
    rotation = np.linalg.qr(rng.normal(size=(3, 3, 2)) @ [1, 1j])[0]
    basis = functions.basis._replace(coefficients=functions.basis.coefficients @ rotation)
    functions = fields.Functions((2,), basis)
  z = rng.normal(size=(3, 2)) @ [1, 1j]
  i, j = np.indices((3, 3))

  def features(z):
    s = z @ rotation
    re, im = (part(s[:, None].conj() * s) for part in (np.real, np.imag))
    # i < j: sqrt(2) Re conj(z_i) z_j; i > j: sqrt(2) Im conj(z_j) z_i, see quadrature.functions.
    return np.where(i == j, re, 2**0.5 * np.where(i < j, re, im.T)).ravel()

  images = [
    np.conj(w) if mirrored else w
    for row in ([0, 1, 2], [1, 2, 0], [2, 0, 1], [1, 0, 2], [0, 2, 1], [2, 1, 0])
    for power in range(3 if phases else 1)
    for w in [z[row] * np.exp(2j * np.pi * power * np.arange(3) / 3)]
    for mirrored in (False, True)
  ]
  f = np.stack([features(w) for w in images])
  one = features(z)
  found = groups.mean(functions, group)(np.outer(one, one))
  np.testing.assert_allclose(found, f.T @ f / len(images), atol=1e-12)
  assert groups.order(_CUBIC, group) == len(images)


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
