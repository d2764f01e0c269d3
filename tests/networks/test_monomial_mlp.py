"""The network of monomials: jets, invariance, hand-made values, sizes, the start and refusals."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import jets, jets22, monomial_mlp, products22
from tests.networks import reference, test_jets22
from trainer.errors import UserError
from trainer.geometry import members
from trainer.metric.ansatz import make_ansatz

# The Dwork quintic, a Hesse cubic, P5[3,3], and a pair of equations each in one factor of
# P2 x P1, with one in both.
_DWORK = np.concatenate([5 * np.eye(5, dtype=int), np.ones((1, 5), int)])
_CUBIC = np.concatenate([3 * np.eye(3, dtype=int), np.ones((1, 3), int)])
_PAIR = (
  [[3, 0, 0, 0, 0, 0], [0, 3, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]],
  [[0, 0, 0, 3, 0, 0], [0, 3, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]],
)
_MIXED = ([[2, 0, 0, 0, 0], [0, 1, 1, 0, 0]], [[1, 0, 0, 2, 0], [0, 1, 0, 1, 1], [0, 0, 1, 0, 2]])


def _network(ambient, monomials, n, batch=2):
  return reference.network(
    lambda x: monomial_mlp.MonomialMLP(ambient, monomials, widths=(6, 5))(x),
    ambient,
    n,
    batch=batch,
  )


@pytest.mark.parametrize(
  "ambient, n, monomials", [((2,), 2, [_CUBIC]), ((5,), 1, _PAIR), ((2, 1), 1, _MIXED)]
)
def test_network_jet_equals_nested_autodiff(ambient, n, monomials):
  apply, params, x, pullback = _network(ambient, monomials, n)
  jet = apply(params, jets.from_coordinates(x, pullback))
  expected = reference.nested_jet(lambda x: apply(params, x), x, pullback)
  scale = np.abs(expected).max()
  np.testing.assert_allclose(jet.rows, expected, rtol=1e-12, atol=1e-12 * scale)


def test_invariant_under_rescaling_each_factor():
  swapped = [np.roll(exponents, 2, axis=1) for exponents in _MIXED]
  reference.assert_invariant_under_rescaling(*_network((1, 2), swapped, 2))


def test_products_are_those_of_the_monomials():
  x, _ = reference.points((4,), 3, 2)
  z = x[:, :5] + 1j * x[:, 5:]
  m = np.concatenate([z**5, z.prod(axis=1, keepdims=True)], axis=1)
  m /= np.linalg.norm(z, axis=1, keepdims=True) ** 5
  got = np.asarray(monomial_mlp.monomial_products((4,), (5,), _DWORK, jnp.asarray(x)))
  left, right = np.triu_indices(6, 1)
  expected = m[:, left] * m[:, right].conj()
  # Means over the Fubini-Study measure of P4 by hand: 4! 5! 5! / 14! and 4! 6! / 14!; that
  # of z_i conj(z_j) is 1/30.
  mean = np.where(right < 5, 345600.0, 17280.0) / 87178291200.0
  expected = expected / np.sqrt(30 * mean)
  np.testing.assert_allclose(
    got, np.concatenate([expected.real, expected.imag], axis=1), rtol=1e-12
  )


def test_phases_that_keep_the_polynomials_up_to_a_factor_keep_the_products():
  x, _ = reference.points((4,), 3, 2)
  z = (x[:, :5] + 1j * x[:, 5:]) * np.exp(2j * np.pi / 5 * np.array([1, 4, 0, 2, 3]))
  turned = np.concatenate([z.real, z.imag], axis=1)
  values = [
    np.asarray(monomial_mlp.monomial_products((4,), (5,), _DWORK, jnp.asarray(y)))
    for y in (x, turned)
  ]
  np.testing.assert_allclose(*values, atol=1e-13)


def test_curvature_jet_equals_nested_autodiff():
  conic = [[2, 0, 0], [0, 1, 1]]
  apply, params, x, pullback = _network((2,), [conic], 1, batch=1)
  second = test_jets22._second((2,), 1, 1)
  jet = apply(params, jets22.from_coordinates(x, pullback, second))
  expected = test_jets22.nested_rows(lambda x: apply(params, x), x[0], pullback[0], second[0])
  np.testing.assert_allclose(
    jet.rows[:, 0], expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max()
  )


def test_forms_of_the_monomials_equal_products_of_jets():
  """All rows of every feature, and of sums of features, against the rules of (2, 2) jets."""
  ambient, degrees, exponents = (2, 1), (1, 2), np.array(_MIXED[1])
  x, pullback = reference.points(ambient, 2, 2)
  x = jets22.from_coordinates(jnp.asarray(x), pullback, test_jets22._second(ambient, 2, 2))
  weights = np.random.default_rng(0).normal(size=(2, 3, 6))

  @jax.jit
  def both(x):
    group = monomial_mlp._products(ambient, degrees, exponents, x)
    expected = monomial_mlp.monomial_products(ambient, degrees, exponents, x).rows
    return expected, products22.jet(group).rows, products22.features([group]).high(weights)

  expected, rows, (third, fourth) = both(x)
  scale = np.abs(expected).max()
  np.testing.assert_allclose(rows, expected, rtol=1e-11, atol=1e-12 * scale)
  sums = np.einsum("rpf,pwf->rpw", expected, weights)
  low, split = 9 + 6, 9 + 6 + 12
  np.testing.assert_allclose(third, sums[low:split], rtol=1e-11, atol=1e-12 * scale)
  np.testing.assert_allclose(fourth, sums[split:, :, 0], rtol=1e-11, atol=1e-12 * scale)


def test_starts_at_fubini_study_and_float32_stays_narrow():
  apply, params, x, pullback = _network((4,), [_DWORK], 3)
  narrow = jax.tree.map(lambda a: a.astype(jnp.float32), (params, x))
  rows = lambda params, x, j: apply(params, jets.from_coordinates(x, j)).rows
  assert not any(
    wide in str(jax.make_jaxpr(rows)(*narrow, pullback.astype(jnp.complex64)))
    for wide in ("f64", "c128")
  )
  net = hk.without_apply_rng(hk.transform(lambda x: monomial_mlp.MonomialMLP((4,), [_DWORK])(x)))
  start = jax.jit(net.init)(jax.random.key(0), x[0])
  assert not np.any(jax.jit(net.apply)(start, jets.from_coordinates(x, pullback)).rows)


def test_the_trainer_passes_the_monomials_and_dense_polynomials_are_refused():
  ansatz = make_ansatz(members.fermat_variety((4,), ((5,),), (1.0,)), "monomial_mlp(widths=(8,))")
  params = ansatz.init(jax.random.key(0))
  assert ansatz.path == "jets"
  assert {w.shape for w in jax.tree.leaves(params) if w.ndim == 2} == {(25 + 20, 8), (8, 1)}
  with pytest.raises(UserError, match="126 monomials, which makes 15,750 products.*algebraic"):
    make_ansatz(members.random_variety((4,), ((5,),), (1.0,), 0), "monomial_mlp()")
