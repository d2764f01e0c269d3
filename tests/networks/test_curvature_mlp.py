"""The network that sees the second fundamental form: jets, invariance, start, what it is given."""

import jax
import numpy as np
import pytest

from networks import curvature_mlp, jets
from tests.networks import reference
from trainer.errors import UserError
from trainer.geometry import members
from trainer.metric.ansatz import make_ansatz

# Conics of P2, and pairs of equations in P1 x P2.
_CONIC = [([[2, 0, 0], [0, 1, 1], [0, 0, 2]], [1.0, 0.5 - 1j, 2.0])]
_PAIR = [
  ([[1, 0, 1, 0, 0], [0, 1, 0, 1, 0]], [1.0, 1j]),
  ([[2, 0, 1, 0, 0], [0, 2, 0, 1, 0], [1, 1, 0, 0, 1]], [1.0, 2j, -1.0]),
]


def _network(ambient, polynomials, n):
  polynomials = [(np.array(e), np.array(c, complex)) for e, c in polynomials]
  return reference.network(
    lambda x: curvature_mlp.CurvatureMLP(
      ambient, (1.3, 0.6)[: len(ambient)], polynomials, widths=(4,)
    )(x),
    ambient,
    n,
    batch=2,
  )


def test_network_jet_equals_nested_autodiff():
  """Of the features, test_extrinsic.py has two factors and two polynomials."""
  apply, params, x, pullback = _network((2,), _CONIC, 2)
  jet = apply(params, jets.from_coordinates(x, pullback))
  expected = reference.nested_jet(lambda x: apply(params, x), x, pullback)
  np.testing.assert_allclose(jet.rows, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def test_invariant_under_rescaling_each_factor():
  reference.assert_invariant_under_rescaling(*_network((1, 2), _PAIR, 2))


def test_training_starts_at_fubini_study():
  ansatz = make_ansatz(
    members.random_variety((2,), ((3,),), (1.0,), 0), "curvature_mlp(widths=(4,))"
  )
  params = ansatz.init(jax.random.key(0))
  # z_i conj(z_j), and four scalars.
  assert jax.tree.leaves(params)[2].shape == (9 + 4, 4) and not np.any(jax.tree.leaves(params)[3])


def test_what_it_is_given_must_make_sense():
  with pytest.raises(UserError, match="positive"):
    make_ansatz(members.random_variety((2,), ((3,),), (1.0,), 0), "curvature_mlp(widths=())")
