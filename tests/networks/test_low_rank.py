"""The low-rank form is the algebraic metric with H = 1 + U V* + V U*."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import algebraic, jets, jets22, low_rank
from tests.networks import reference, test_jets22, test_sections

_AMBIENT, _MODULI, _N, _RANK = (1, 2), (1.0, 0.5), 2, 2


def _sections(degree):
  exponents = test_sections.monomials(_AMBIENT, [int(degree * t) for t in _MODULI])
  return exponents, test_sections.coefficients_like(exponents, "near", _AMBIENT)


def _terms(degree):
  return [(1 / degree, *_sections(degree))]


def _network(cls, **kwargs):
  given = _terms if cls is algebraic.AlgebraicMetric else _sections
  return hk.without_apply_rng(
    hk.transform(lambda x: cls(_AMBIENT, _MODULI, given, degree=2, **kwargs)(x))
  )


def _two_networks():
  """(apply, parameters) of the network and of the algebraic one with the same H; x and pullback."""
  x, pullback = map(jnp.asarray, reference.points(_AMBIENT, _N, 2))
  network = _network(low_rank.LowRankMetric, rank=_RANK)
  rng = np.random.default_rng(3)
  params = jax.tree.map(
    lambda a: 0.2 * rng.normal(size=a.shape), jax.jit(network.init)(jax.random.key(0), x[0])
  )
  u, v = (
    params["low_rank_metric"][name][0] + 1j * params["low_rank_metric"][name][1] for name in "uv"
  )
  form = np.eye(len(u)) + u @ v.conj().T + v @ u.conj().T
  full = {"algebraic_metric": {"h": algebraic.real_matrix(form.real, form.imag)}}
  return (network.apply, params), (_network(algebraic.AlgebraicMetric).apply, full), x, pullback


def test_values_and_jets_equal_those_of_the_full_form():
  (apply, params), (full, form), x, pullback = _two_networks()
  second = test_jets22._second(_AMBIENT, _N, 2)
  for points in (
    x,
    jets.from_coordinates(x, pullback),
    jets22.from_coordinates(x, pullback, second),
  ):
    got, expected = jax.jit(apply)(params, points), jax.jit(full)(form, points)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11 * np.abs(b).max())


def test_parameter_gradient_equals_that_through_the_full_form():
  (apply, params), (full, _), x, pullback = _two_networks()
  loss = lambda apply, p: jnp.square(apply(p, jets.from_coordinates(x, pullback)).rows).sum()

  def through_full(p):
    u, v = (jax.lax.complex(*p["low_rank_metric"][name]) for name in "uv")
    form = jnp.eye(len(u)) + u @ v.conj().T + v @ u.conj().T
    return loss(full, {"algebraic_metric": {"h": algebraic.real_matrix(form.real, form.imag)}})

  got = jax.jit(jax.grad(functools.partial(loss, apply)))(params)
  expected = jax.jit(jax.grad(through_full))(params)
  for name in "uv":
    a, b = (tree["low_rank_metric"][name] for tree in (got, expected))
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * np.abs(b).max())


def test_starts_at_the_identity_and_can_leave_it():
  network = _network(low_rank.LowRankMetric, rank=_RANK)
  x, _ = map(jnp.asarray, reference.points(_AMBIENT, _N, 2))
  params = jax.jit(network.init)(jax.random.key(0), x[0])
  full = _network(algebraic.AlgebraicMetric)
  identity = jax.jit(full.init)(jax.random.key(0), x[0])
  phi, fubini_study = jax.jit(network.apply)(params, x), jax.jit(full.apply)(identity, x)
  np.testing.assert_allclose(phi, fubini_study, atol=1e-14)
  slope = jax.jit(jax.grad(network.apply))(params, x[0])
  assert jnp.abs(slope["low_rank_metric"]["v"]).max() > 1e-3


@pytest.mark.parametrize("rank", [0, 2.0, "2"])
def test_bad_ranks_are_refused(rank):
  with pytest.raises(ValueError, match="rank = .* must be a positive whole number"):
    _network(low_rank.LowRankMetric, rank=rank).init(jax.random.key(0), jnp.ones(10))
