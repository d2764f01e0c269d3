"""Slopes, indices and the anomaly of line bundles against formulas worked out by hand."""

import math

import numpy as np
import pytest

from tests.geometry.test_topology import TABLE
from trainer.bundles import topology as bundles
from trainer.geometry import topology

# kappa_ijk = 2 for three different factors, else 0: numbers of line bundles are easy by hand.
TETRAQUADRIC = TABLE["tetraquadric"][:2]
SUM = ((1, 0, -2, 0), (0, 1, 0, -2), (-1, -1, 2, 2))


@pytest.mark.parametrize("name", TABLE)
def test_index_is_that_of_riemann_and_roch(name):
  ambient, degrees, *_ = TABLE[name]
  n, m = sum(ambient) - len(degrees[0]), len(ambient)
  numbers, c2 = topology.intersection_numbers(ambient, degrees), topology.c2(ambient, degrees)
  rng = np.random.default_rng(n)
  for bundle in [(0,) * m, *rng.integers(-4, 5, (3, m)).tolist()]:
    power = lambda index: math.prod(bundle[i] for i in index)
    orderings = lambda index: (
      math.factorial(len(index)) / math.prod(math.factorial(index.count(i)) for i in range(m))
    )
    top = sum(orderings(i) * number * power(i) for i, number in numbers.items())
    bend = sum(orderings(i) * number * power(i) for i, number in c2.items())
    expected = {1: top, 2: top / 2 + 2, 3: top / 6 + bend / 12}.get(n)
    if n < 4:
      assert bundles.index(ambient, degrees, bundle) == round(expected, 9)
    # Serre duality.
    dual = [-k for k in bundle]
    found = bundles.index(ambient, degrees, bundle)
    assert found == (-1) ** n * bundles.index(ambient, degrees, dual)
  assert bundles.index((5,), ((6,),), (1,)) == 6  # Its sections z_i: none else has cohomology.


def test_slopes_and_derivatives_of_the_volume():
  bicubic = TABLE["bicubic"][:2]
  s, t = 0.7, 1.9  # Vol = 3 (s^2 t + s t^2) / 2
  first, second = 3 * (2 * s * t + t * t) / 2, 3 * (s * s + 2 * s * t) / 2
  assert topology.volume_gradient(*bicubic, (s, t)) == pytest.approx([first, second], rel=1e-14)
  hessian = [[3 * t, 3 * (s + t)], [3 * (s + t), 3 * s]]
  np.testing.assert_allclose(topology.volume_hessian(*bicubic, (s, t)), hessian, rtol=1e-14)
  assert bundles.slope(*bicubic, (s, t), (2, -3)) == pytest.approx(2 * first - 3 * second)
  assert bundles.slope((2,), ((3,),), (5.0,), (-2,)) == -6  # The degree, whatever t.


def test_sum_on_the_tetraquadric():
  assert bundles.first_chern(SUM) == (0, 0, 0, 0)
  # chi = 2 sum_{i < j < k} k_i k_j k_k + 2 sum_i k_i.
  assert [bundles.index(*TETRAQUADRIC, row) for row in SUM] == [-2, -2, -4]
  # c_2 J_i = -1/2 sum_a kappa_ijk k_j k_k = -2 sum_a sum_{j < k, neither i} k_j k_k.
  by_hand = [
    -2 * sum(k[a] * k[b] for k in SUM for a in range(4) for b in range(a) if i not in (a, b))
    for i in range(4)
  ]
  own = bundles.second_chern(*TETRAQUADRIC, SUM)
  assert [own[(i,)] for i in range(4)] == by_hand
  left = bundles.five_branes(*TETRAQUADRIC, SUM)
  assert [left[(i,)] for i in range(4)] == [24 - number for number in by_hand]
  assert min(left.values()) >= 0
  t, dimension = bundles.vanishing_slopes(*TETRAQUADRIC, SUM)
  assert dimension == 2 and np.all(t > 0)
  size = sum(topology.volume_gradient(*TETRAQUADRIC, t))
  slopes = [bundles.slope(*TETRAQUADRIC, t, row) for row in SUM]
  np.testing.assert_allclose(slopes, 0, atol=1e-10 * size)


def test_slopes_that_vanish_nowhere():
  assert bundles.vanishing_slopes((4,), ((5,),), [(1,)]) is None
  assert bundles.vanishing_slopes(*TETRAQUADRIC, [(1, 0, 0, 2)]) is None
  # V_1 - V_2 of the bicubic is 3 (t_2^2 - t_1^2) / 2.
  t, dimension = bundles.vanishing_slopes(*TABLE["bicubic"][:2], [(1, -1), (0, 0)])
  np.testing.assert_allclose(t, 1, rtol=1e-10)
  assert dimension == 1
