"""Metrics invariant under a group: forms, their number, jets, invariance, mistaken generators."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import invariant, jets, jets22, symmetry
from tests.geometry import varieties
from tests.networks import reference, test_jets22
from trainer.errors import UserError
from trainer.geometry import members, sections
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import make_ansatz
from trainer.points import batch as batches

_S5 = ((1, 2, 3, 4, 0), (1, 0, 2, 3, 4))
_FERMAT = symmetry.Generators(5, tuple(map(tuple, np.eye(5, dtype=int)[:4].tolist())), _S5, True)
_DWORK = symmetry.Generators(5, ((1, 4, 0, 0, 0), (0, 1, 4, 0, 0), (0, 0, 1, 4, 0)), _S5, True)
_DWORK_QUINTIC = Variety((4,), (members.dwork(5, 0.5),), (1.0,))
# Some symmetry of P^1 x P^1 without complex conjugation: exchange of the factors, one phase.
_SWAP = symmetry.Generators(3, ((0, 1, 0, 2),), ((2, 3, 0, 1),), False)


def _all_monomials(ambient, multidegree):
  exponents = sections.monomials(ambient, multidegree)
  return exponents, np.diag(sections.monomial_scales(ambient, exponents))


def _values(forms, z):
  """rho of every form at points z (B, N), (B, P)."""
  m = np.prod(z[:, None, :] ** forms.exponents, axis=2)
  pairs = m[:, forms.left].conj() * m[:, forms.right]
  values = pairs.real @ forms.weights
  return values if forms.twisted is None else values - pairs.imag @ forms.twisted


@pytest.mark.parametrize(
  "group, degree, count",
  [
    (_FERMAT, 2, 2),
    (_FERMAT, 4, 5),
    (_FERMAT, 6, 12),
    (_FERMAT, 8, 27),
    (_DWORK, 3, 3),
    (_DWORK, 4, 6),
    (_DWORK, 5, 10),
    (_DWORK, 6, 17),
    (_DWORK, 7, 27),
    (_DWORK, 8, 46),
  ],
)
def test_number_of_forms_on_projective_space(group, degree, count):
  forms = symmetry.invariant_forms(*_all_monomials((4,), (degree,)), (4,), group)
  assert forms.identity.shape == (count,)


@pytest.mark.parametrize("degree, conjugation", [(4, True), (6, True), (6, False)])
def test_forms_are_a_basis_on_the_variety(degree, conjugation):
  """As many as independent functions among all orbit sums; the sum for Fubini-Study is right."""
  z = varieties.some_points(_DWORK_QUINTIC, 120)
  z /= np.linalg.norm(z, axis=1, keepdims=True)
  group = _DWORK._replace(conjugation=conjugation)
  forms = symmetry.invariant_forms(*sections.section_basis(_DWORK_QUINTIC, (degree,)), (4,), group)
  values = _values(forms, z)
  everything = _values(symmetry.invariant_forms(*_all_monomials((4,), (degree,)), (4,), group), z)
  rank = lambda a: np.linalg.matrix_rank(a, tol=1e-10 * np.linalg.norm(a))
  assert (
    values.shape[1] == rank(values) == rank(everything) == rank(np.hstack([values, everything]))
  )
  np.testing.assert_allclose(values @ forms.identity, 1, rtol=1e-12)


def _swap_network(degree=2):
  ambient = (1, 1)
  make = lambda k: _all_monomials(ambient, (k, k))
  net = hk.without_apply_rng(
    hk.transform(
      lambda x: invariant.InvariantMetric(ambient, (1.0, 1.0), make, degree, **_SWAP._asdict())(x)
    )
  )
  params = jax.jit(net.init)(jax.random.key(0), jnp.ones(8))
  rng = np.random.default_rng(0)
  moved = jax.tree.map(lambda h: h + 0.1 * rng.normal(size=h.shape), params)
  return jax.jit(net.apply), params, moved


def test_jets_equal_nested_autodiff_with_more_points_than_a_block():
  apply, _, params = _swap_network()
  x, pullback = reference.points((1, 1), 2, 19)
  jet = apply(params, jets.from_coordinates(jnp.asarray(x), jnp.asarray(pullback)))
  some = np.array([0, 15, 16, 18])
  expected = reference.nested_jet(lambda x: apply(params, x), x[some], pullback[some])
  np.testing.assert_allclose(
    jet.rows[:, some], expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max()
  )


def test_jet22_equals_nested_autodiff():
  apply, _, params = _swap_network(degree=1)
  x, pullback = reference.points((1, 1), 2, 1)
  second = test_jets22._second((1, 1), 2, 1)
  jet = apply(params, jets22.from_coordinates(jnp.asarray(x), jnp.asarray(pullback), second))
  expected = test_jets22.nested_rows(
    lambda x: apply(params, x), jnp.asarray(x[0]), jnp.asarray(pullback[0]), second[0]
  )
  np.testing.assert_allclose(
    jet.rows[:, 0], expected, rtol=1e-10, atol=1e-11 * np.abs(expected).max()
  )


def test_invariant_under_the_group_and_zero_at_the_start():
  apply, start, params = _swap_network()
  x, _ = reference.points((1, 1), 1, 3)
  z = x[:, :4] + 1j * x[:, 4:]
  phi = lambda params, z: apply(params, jnp.asarray(np.concatenate([z.real, z.imag], axis=1)))
  turned = z * np.exp(2j * np.pi / 3 * np.array([0, 1, 0, 2]))
  np.testing.assert_allclose(phi(params, turned), phi(params, z), atol=1e-14)
  np.testing.assert_allclose(phi(params, z[:, [2, 3, 0, 1]]), phi(params, z), atol=1e-14)
  assert np.max(np.abs(phi(params, z.conj()) - phi(params, z))) > 1e-3
  assert np.max(np.abs(phi(params, z[:, [1, 0, 2, 3]]) - phi(params, z))) > 1e-3
  np.testing.assert_allclose(phi(start, z), 0, atol=1e-14)


def test_rows_are_linear_in_the_parameters():
  forms = symmetry.invariant_forms(*_all_monomials((1, 1), (2, 2)), (1, 1), _SWAP)
  x, pullback = reference.points((1, 1), 2, 2)
  rows = invariant.invariant_rows(forms, (1, 1), jets.from_coordinates(x, pullback))
  z = x[:, :4] + 1j * x[:, 4:]
  z = np.concatenate(
    [p / np.linalg.norm(p, axis=1, keepdims=True) for p in (z[:, :2], z[:, 2:])], axis=1
  )
  assert rows.shape == (9, 2, len(forms.identity)) and forms.twisted is not None
  np.testing.assert_allclose(rows[0], _values(forms, z), rtol=1e-11, atol=1e-12)
  np.testing.assert_allclose(invariant.invariant_rows(forms, (1, 1), x)[0], rows[0], atol=1e-13)


def test_starts_at_fubini_study_on_the_dwork_quintic():
  arguments = ", ".join(f"{k}={v}" for k, v in _DWORK._asdict().items())
  ansatz = make_ansatz(_DWORK_QUINTIC, f"invariant(degree=5, {arguments})")
  z = varieties.some_points(_DWORK_QUINTIC, 2)
  batch = jax.jit(lambda z: batches.prepare(_DWORK_QUINTIC, z, jnp.ones(len(z))))(z)
  params = ansatz.init(jax.random.key(0))
  np.testing.assert_allclose(
    jax.jit(ansatz.metric)(params, batch), batch.fubini_study.T, atol=1e-13
  )


@pytest.mark.parametrize(
  "arguments, message",
  [
    ("order=5, phases=((1, 0, 0, 0, 0),)", "phases"),
    ("permutations=((1, 1, 2, 3, 4),)", "not a permutation"),
    ("permutations=((1, 0),)", "one entry for each of the 5"),
    ("degree=0", "positive whole number"),
  ],
)
def test_mistaken_generators_are_named(arguments, message):
  degree = "" if "degree" in arguments else "degree=2, "
  with pytest.raises(UserError, match=message):
    make_ansatz(_DWORK_QUINTIC, f"invariant({degree}{arguments})")


def test_generators_that_do_not_preserve_the_variety_are_named():
  variety = varieties.random_variety("quintic")
  with pytest.raises(UserError, match=r"permutation \(1, 0, 2, 3, 4\) does not preserve"):
    make_ansatz(variety, "invariant(degree=2, permutations=((1, 0, 2, 3, 4),))")
  with pytest.raises(UserError, match="conjugation does not preserve"):
    make_ansatz(variety, "invariant(degree=5, conjugation=True)")
