"""Moduli near the conifold, where uniform points fail and say so."""

import pytest

from trainer.geometry import members
from trainer.geometry.foci import Foci
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.moduli import measure as moduli_space
from trainer.sampling import crowded

# From period series.
METRIC, YUKAWA = 0.24993817668, 5.89652712852


@pytest.fixture(scope="module")
def near_conifold():
  variety = Variety((4,), (members.dwork(5, 1.035 - 0.02j),), (1.0,))
  return variety, {"psi": (Polynomial(((1,) * 5,), (-5,)),)}


def test_crowded_points_agree_with_periods(near_conifold):
  reports = []
  space = moduli_space.measure(
    *near_conifold, seed=0, num_points=60_000, progress=lambda *a: reports.append(a)
  )
  assert reports[-1] == (60_000, 60_000) and space.num_points == 60_000
  assert space.num_foci == 125 and space.dropped_slices == 0
  result = space.moduli["psi"]
  assert abs(result.metric - METRIC) < 3 * result.metric_stderr < 0.04 * METRIC
  assert abs(result.yukawa - YUKAWA) < 3 * result.yukawa_stderr < 0.06 * YUKAWA
  assert result.trustworthy()


def test_uniform_points_are_not_trusted(near_conifold, monkeypatch):
  monkeypatch.setattr(
    crowded, "find_foci", lambda variety, starts: Foci(starts[:0], starts[:0, 0].real)
  )
  space = moduli_space.measure(*near_conifold, seed=0, num_points=60_000)
  assert space.num_foci == 0
  assert not space.moduli["psi"].trustworthy()
