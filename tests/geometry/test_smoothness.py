import numpy as np
import pytest

from tests.geometry.varieties import random_variety
from trainer.geometry import members
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.smoothness import find_singular_point
from trainer.geometry.variety import Variety


def hypersurface(q):
  return Variety((q.num_coordinates - 1,), (q,), (1.0,))


def without(q, *rows):
  """q without some of its monomials."""
  kept = [(e, c) for e, c in zip(q.exponents, q.coefficients) if e not in rows]
  return Polynomial(*zip(*kept))


def degeneracy(variety, z):
  dq = np.array([[p(z) for p in row] for row in variety.gradients])
  values = [abs(q(z)) for q in variety.polynomials]
  return max(values), np.linalg.svd(dq)[1][-1]


RNG = np.random.default_rng(5)
POWERS = members.fermat(5)
CUBIC_1, CUBIC_2 = (members.random_polynomial((5,), (3,), RNG) for _ in range(2))


@pytest.mark.parametrize(
  "variety",
  [
    hypersurface(Polynomial(POWERS.exponents[:2], (1, 1))),
    hypersurface(Polynomial(POWERS.exponents[:4], (1, 1, 1, 1))),
    hypersurface(members.dwork(5, 1)),
    hypersurface(members.dwork(5, np.exp(0.4j * np.pi))),
    # One node, at (1, 0, 0, 0).
    hypersurface(
      without(
        members.random_polynomial((3,), (4,), RNG),
        (4, 0, 0, 0),
        (3, 1, 0, 0),
        (3, 0, 1, 0),
        (3, 0, 0, 1),
      )
    ),
    # Two equations of which one is singular where the other vanishes, at (1, 0, 0, 0, 0, 0).
    Variety(
      (5,),
      (
        without(CUBIC_1, *(e for e in CUBIC_1.exponents if e[0] >= 2)),
        without(CUBIC_2, (3, 0, 0, 0, 0, 0)),
      ),
      (1.0,),
    ),
    # A reducible equation.
    hypersurface(Polynomial(((1, 3, 0, 0), (1, 0, 3, 0), (1, 0, 0, 3)), (1, 1, 1))),
  ],
)
def test_singular_varieties_are_caught(variety):
  z = find_singular_point(variety)
  assert z is not None
  value, smallest = degeneracy(variety, z)
  assert value < 1e-6 and smallest < 1e-6


@pytest.mark.parametrize(
  "variety",
  [
    hypersurface(members.fermat(5)),
    hypersurface(members.dwork(5, 0.5)),
    hypersurface(members.dwork(5, 1.01)),
    hypersurface(members.dwork(5, 1.001)),
    hypersurface(members.fermat(3)),
    random_variety("quintic"),
    random_variety("cubic_pair"),
    random_variety("bicubic"),
  ],
)
def test_smooth_varieties_pass(variety):
  assert find_singular_point(variety) is None


def test_search_from_given_points():
  variety = hypersurface(members.dwork(5, 1))
  node = np.ones(5)
  z = find_singular_point(variety, starts=node + 0.01 * RNG.normal(size=(3, 5)))
  np.testing.assert_allclose(z, node, atol=1e-9)
