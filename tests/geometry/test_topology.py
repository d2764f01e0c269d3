"""The topology table of the literature, exactly."""

import itertools

import pytest

from trainer.geometry import topology

# ambient, degrees, Euler number, non-zero intersection numbers, c2 (non-zero entries)
TABLE = {
  "quintic": ((4,), ((5,),), -200, {"000": 5}, {"0": 50}),
  "cubic pair": ((5,), ((3, 3),), -144, {"000": 9}, {"0": 54}),
  "P5[2,4]": ((5,), ((2, 4),), -176, {"000": 8}, {"0": 56}),
  "bicubic": ((2, 2), ((3,), (3,)), -162, {"001": 3, "011": 3}, {"0": 36, "1": 36}),
  "tetraquadric": (
    (1,) * 4,
    ((2,),) * 4,
    -128,
    {"012": 2, "013": 2, "023": 2, "123": 2},
    {"0": 24, "1": 24, "2": 24, "3": 24},
  ),
  "Tian-Yau": ((3, 3), ((3, 0, 1), (0, 3, 1)), -18, {"001": 9, "011": 9}, {"0": 36, "1": 36}),
  "Schoen": (
    (1, 2, 2),
    ((1, 1), (3, 0), (0, 3)),
    0,
    {"012": 9, "112": 3, "122": 3},
    {"1": 36, "2": 36},
  ),
  "(P2)^3": (
    (2,) * 3,
    ((1, 1, 1),) * 3,
    -90,
    {"001": 3, "002": 3, "011": 3, "012": 6, "022": 3, "112": 3, "122": 3},
    {"0": 36, "1": 36, "2": 36},
  ),
  "K3 P3[4]": ((3,), ((4,),), 24, {"00": 4}, {"": 24}),
  "K3 P4[2,3]": ((4,), ((2, 3),), 24, {"00": 6}, {"": 24}),
  "K3 P5[2,2,2]": ((5,), ((2, 2, 2),), 24, {"00": 8}, {"": 24}),
  "elliptic curve": ((2,), ((3,),), 0, {"0": 3}, {}),
  "sextic fourfold": ((5,), ((6,),), 2610, {"0000": 6}, {"00": 90}),
}


def named(numbers):
  return {"".join(map(str, index)): value for index, value in numbers.items() if value}


@pytest.mark.parametrize("name", TABLE)
def test_table(name):
  ambient, degrees, euler, intersections, c2 = TABLE[name]
  assert topology.euler_number(ambient, degrees) == euler
  assert named(topology.intersection_numbers(ambient, degrees)) == intersections
  assert named(topology.c2(ambient, degrees)) == c2


def test_volume():
  assert topology.volume((4,), ((5,),), (1.0,)) == pytest.approx(5 / 6, rel=1e-15)
  assert topology.volume((3,), ((4,),), (2.0,)) == pytest.approx(8, rel=1e-15)
  s, t = 0.7, 1.9  # kappa t t t / 6 with kappa_001 = kappa_011 = 3, three orderings each
  assert topology.volume((2, 2), ((3,), (3,)), (s, t)) == pytest.approx(
    3 * (3 * s * s * t + 3 * s * t * t) / 6, rel=1e-15
  )


def test_eight_factors():
  # A curve of bidegree (2, 2) in the first two lines, times nothing else: seven more such factors.
  ambient = (1,) * 8
  degrees = tuple(
    tuple(2 * (j == min(i // 2, 4)) if i < 8 else 0 for j in range(4)) for i in range(8)
  )
  # Product of four elliptic curves: Euler number 0, J_i J_j J_k J_l = 2^4 with one from each.
  assert topology.euler_number(ambient, degrees) == 0
  numbers = named(topology.intersection_numbers(ambient, degrees))
  assert numbers == {"".join(choice): 16 for choice in itertools.product("01", "23", "45", "67")}


def test_schoen_is_fibred_so_c2_of_the_base_vanishes():
  ambient, degrees, *_ = TABLE["Schoen"]
  assert topology.c2(ambient, degrees)[(0,)] == 0
  assert topology.intersection_numbers(ambient, degrees)[(0, 0, 1)] == 0
