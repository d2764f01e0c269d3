"""Levels of the Laplacian on projective spaces, 4 pi m (m + n) / (n!)^(1/n) at volume 1."""

import math

import numpy as np
import pytest

from networks.symmetry import Generators
from tests.quadrature import spaces
from trainer.certificate import pictures
from trainer.errors import UserError
from trainer.geometry import parse
from trainer.geometry.variety import Variety
from trainer.quadrature import calibrate
from trainer.spectrum import levels, measure, plan


def _exact(n, m):
  return 4 * math.pi * m * (m + n) / math.factorial(n) ** (1 / n)


@pytest.fixture(scope="module")
def quadratic():
  """Functions of degree 2 on P^1 with weights calibrated for their products."""
  background = spaces.projective_space(1, 800)
  controls = calibrate.all_of_degree(spaces.functions_on(1, 4))
  return measure.spectrum(background, spaces.functions_on(1, 2), controls)


def test_calibrated_levels_are_exact(quadratic):
  assert [level.multiplicity for level in quadratic.levels] == [1, 3, 5]
  for m, level in enumerate(quadratic.levels):
    assert level.value == pytest.approx(_exact(1, m), abs=1e-8)
    assert max(level.stderr, level.spread, abs(level.bias)) < 1e-8
  assert quadratic.modes.complete and quadratic.modes.forms.shape == (9, 3, 3)


def test_what_was_kept_is_not_made_again(quadratic):
  background, kept = spaces.projective_space(1, 800), {}
  controls = calibrate.all_of_degree(spaces.functions_on(1, 4))
  find = lambda keep: measure.spectrum(background, spaces.functions_on(1, 2), controls, kept=keep)
  find(lambda name, make: kept.setdefault(name, make()))
  assert set(kept) == {"controls_0", "controls_1", "modes"}
  np.testing.assert_array_equal(find(lambda name, make: kept[name]).levels, quadratic.levels)


def test_levels_do_not_depend_on_the_devices():
  linear = spaces.functions_on(1, 1)
  one, four = (
    measure.spectrum(spaces.projective_space(1, 80, num_devices=devices), linear).levels
    for devices in (1, 4)
  )
  assert sum(level.multiplicity for level in one) == 4
  np.testing.assert_allclose(one, four, rtol=1e-9, atol=1e-9)


def test_plain_weights_state_their_errors():
  background = spaces.projective_space(2, 2000)
  one, eight = measure.spectrum(background, spaces.functions_on(2, 1)).levels
  assert one.multiplicity == 1 and abs(one.value) < 1e-9 and eight.multiplicity == 8
  assert abs(eight.value - _exact(2, 1)) < 3 * eight.stderr < 0.3 * eight.value
  assert 0.1 * eight.stderr < eight.spread < 2 * eight.stderr
  figure = pictures.spectrum([one, eight], 2, pictures.LIGHT)
  assert pictures.png(figure).startswith(b"\x89PNG")


def test_the_last_level_is_left_out_where_others_may_belong_to_it():
  background = spaces.projective_space(1, 800)
  found = measure.spectrum(background, spaces.functions_on(1, 2), count=6)
  assert sum(level.multiplicity for level in found.levels) == len(found.modes.values) < 6


def test_standard_errors_are_those_of_repetitions():
  # A level of three members: noise in a symmetric matrix, entry by entry, from 400 slices.
  rng = np.random.default_rng(0)
  found = []
  for _ in range(200):
    entries = rng.normal(size=(400, 3, 3)) * np.sqrt(0.5 / 400)
    entries = (entries + entries.transpose(0, 2, 1)) / 2**0.5
    values, vectors = np.linalg.eigh(np.sum(entries, axis=0))
    terms = np.einsum("cij,ik,jk->ck", entries, vectors, vectors)
    (level,) = levels.levels(10_000 + values, 10_000 + values, terms, range(3), complete=True)
    found.append([level.stderr**2, level.spread**2 + (level.value - 10_000) ** 2])
  stated, seen = np.mean(found, axis=0)
  assert stated == pytest.approx(seen, rel=0.15)


def test_multiplets_are_told_apart_by_gaps():
  values = np.array([0.0, 10.0, 10.3, 11.5, 11.5001])
  parts = levels.multiplets(values, np.array([0.0, 0.1, 0.1, 0.1, 1e-9]))
  assert [(part.start, part.stop) for part in parts] == [(0, 1), (1, 3), (3, 5)]


def test_plans():
  quintic = Variety((4,), (parse.parse_polynomial("z0^5 + z1^5", 5, {}),), (1.0,))
  make = lambda **changes: plan.make(
    quintic, **(dict(degree=None, num_points=None, block=10, rate=2e11, memory=2**32) | changes)
  )
  chosen = make()
  # Products of functions of degree 2 have degree 4.
  assert (chosen.degree, chosen.control_degree, chosen.functions) == (2, 4, 225)
  assert chosen.points == 2 * 20 * 70**2 + 10 and "225 f" in str(chosen) and chosen.seconds < 150
  slow, named = make(rate=2e10), make(degree=3)
  assert (slow.degree, slow.control_degree, slow.points) == (2, 3, 50_000)
  assert (named.control_degree, named.points) == (4, chosen.points) and "LOBPCG" not in str(named)
  assert "15,625 functions of degree 5, by LOBPCG" in str(make(degree=5))
  few = make(num_points=10_000)
  assert (few.degree, few.control_degree, few.points) == (2, 2, 10_000)
  phases = Generators(5, tuple(map(tuple, np.eye(5, dtype=int).tolist())), (), False)
  sorted_out = make(group=phases, rate=1.5e11)
  assert (sorted_out.degree, sorted_out.control_degree, sorted_out.points) == (4, 8, 50_000)
  with pytest.raises(UserError, match="--degree=4 .* --degree=2 fits"):
    make(degree=4, memory=2**27)
  with pytest.raises(UserError, match="--points=1000 are too few for 1,225 functions"):
    make(degree=3, num_points=1000)
  with pytest.raises(UserError, match="at least 1"):
    make(degree=0)
