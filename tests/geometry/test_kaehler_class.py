"""Kaehler classes as sums of classes of line bundles."""

import numpy as np
import pytest

from trainer.geometry import kaehler_class

_ROOT = 2**0.5


@pytest.mark.parametrize(
  "ambient, moduli, degree, expected",
  [
    ((4,), (1.0,), 5, [(1 / 5, (5,))]),
    ((2, 2), (1.0, 1.0), 4, [(1 / 4, (4, 4))]),
    ((2, 2), (1.0, 0.5), 4, [(1 / 4, (4, 2))]),
    # 2 sqrt(2) = 0.17 x 2 + 0.83 x 3.
    ((1, 3), (1.0, _ROOT), 2, [(1.5 - _ROOT, (2, 2)), (_ROOT - 1, (2, 3))]),
    # (0.5, sqrt(2)) = 0.5 (0, 1) + 0.09 (1, 1) + 0.41 (1, 2).
    ((1, 2), (0.5, _ROOT), 1, [(0.5, (0, 1)), (1.5 - _ROOT, (1, 1)), (_ROOT - 1, (1, 2))]),
    # Too large: (1, 10) = (1, 4) + 1.5 (0, 4).
    ((1, 3), (1.0, 10.0), 1, [(1.0, (1, 4)), (1.5, (0, 4))]),
    # Not too large; many sections, but no entry stands out.
    ((1, 1), (1.0, 10.0), 2, [(0.5, (2, 20))]),
    ((4,), (2.0,), 8, [(1 / 8, (16,))]),
    # A constant is no section to speak of.
    ((2, 2), (0.3, 0.3), 1, [(0.3, (1, 1))]),
  ],
)
def test_terms_by_hand(ambient, moduli, degree, expected):
  found = dict((m, c) for c, m in kaehler_class.terms(ambient, moduli, degree))
  assert found == pytest.approx({m: c for c, m in expected}, rel=1e-12)


@pytest.mark.parametrize("degree, near", [(1, 5), (2, 4), (4, 2)])
def test_the_part_of_a_class_near_its_ray(degree, near):
  """(1, 4), (2, 6) / 2, (4, 4) / 4 of (1, 10); the rest is 0 on P1."""
  assert kaehler_class.share_near((1, 3), (1.0, 10.0), degree) == pytest.approx(near / 11)
  assert kaehler_class.share_near((1, 3), (1.0, 2.0), degree) == pytest.approx(1)


@pytest.mark.parametrize("degree", [1, 2, 5])
@pytest.mark.parametrize(
  "ambient, moduli",
  [
    ((1, 3), (1.0, 10.0)),
    ((1, 3), (1.0, 100.0)),
    ((1, 3), (100.0, 1.0)),
    ((2, 2), (0.01, _ROOT)),
    ((1, 1, 1, 1), (1.0, 10.0, 100.0, 0.1)),
    ((1, 1, 1, 1), (1.0, 30.0, 30.0, 1 / 3)),
  ],
)
def test_terms_add_up_to_the_class(ambient, moduli, degree):
  found = kaehler_class.terms(ambient, moduli, degree)
  weights, multidegrees = (np.array(part) for part in zip(*found))
  np.testing.assert_allclose(weights @ multidegrees, moduli, rtol=1e-8)
  assert (weights > 0).all() and (multidegrees >= 0).all() and multidegrees.any(axis=1).all()
  assert len(found) == len(set(map(tuple, multidegrees.tolist()))) <= 2 * len(ambient) + 1
  sizes = [kaehler_class.num_monomials(ambient, m) for m in multidegrees]
  assert max(sizes) <= kaehler_class.LARGEST
