"""Nearly singular points, and how far the variety keeps from them."""

import numpy as np

from trainer.geometry import members
from trainer.geometry.foci import find_foci
from trainer.geometry.parse import parse_polynomial
from trainer.geometry.variety import Variety


def near(point, count, spread, seed=0):
  rng = np.random.default_rng(seed)
  noise = rng.normal(size=(count, len(point))) + 1j * rng.normal(size=(count, len(point)))
  return np.asarray(point) + spread * noise


def test_nodes_of_the_dwork_quintic():
  variety = Variety((4,), (members.dwork(5, 1.05 + 0.03j),), (1.0,))
  roots = np.exp(0.4j * np.pi * np.arange(5))
  nodes = [(1, a, b, c, 1 / (a * b * c)) for a in roots for b in roots for c in roots]
  starts = np.concatenate([near(node, 3, 0.03, seed) for seed, node in enumerate(nodes)])
  foci = find_foci(variety, starts)
  assert foci.centers.shape == (125, 5)
  cosines = np.abs(foci.centers @ np.array(nodes).conj().T) / 5**0.5
  assert np.all(np.sum(cosines > 1 - 1e-12, axis=1) == 1)
  # Q = 5 (1 - psi) and d^2 Q = (20 + 5 psi) delta_ij across z = (1, .., 1), where |z|^2 = 5.
  expected = np.sqrt(2 * abs(5 * (0.05 + 0.03j)) / abs(25 + 5 * (0.05 + 0.03j)) / 5)
  np.testing.assert_allclose(foci.radii, expected, rtol=1e-10)


def test_nodes_of_two_cubics():
  variety = Variety(
    (5,),
    tuple(
      parse_polynomial(text, 6, {"psi": 0.97})
      for text in ("z0^3+z1^3+z2^3-3*psi*z3*z4*z5", "z3^3+z4^3+z5^3-3*psi*z0*z1*z2")
    ),
    (1.0,),
  )
  foci = find_foci(variety, near(np.ones(6), 50, 0.03))
  np.testing.assert_allclose(np.abs(foci.centers @ np.ones(6)) / 6**0.5, [1.0], rtol=1e-12)
  assert 0.05 < foci.radii[0] < 0.15


def test_nothing_near():
  variety = Variety((4,), (members.fermat(5),), (1.0,))
  foci = find_foci(variety, near(np.ones(5), 50, 0.5))
  assert foci.centers.shape == (0, 5) and foci.radii.shape == (0,)
