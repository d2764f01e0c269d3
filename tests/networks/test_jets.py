"""Jets of type (1, 1) against nested autodiff, forwards and for parameter gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import activations, jets, phi, quadratic
from tests.networks import reference


def _random_jet(n, shape, seed=0):
  rows = np.random.default_rng(seed).normal(size=((1 + n) ** 2, *shape))
  rows[0] = 0.5 + np.abs(rows[0])
  return jets.Jet(jnp.asarray(rows))


def _quadratic(jet):
  """Real functions of u = (Re x, Im x) with the given jet at u = 0, for autodiff."""
  n = jet.num_directions
  v, x, y = jet.rows[0], jet.rows[1 : 1 + n], jet.rows[1 + n : 1 + 2 * n]
  h = reference.unpack(jet.mixed)

  def function(u):
    w = jax.lax.complex(u[:n], u[n:])
    linear = jnp.tensordot(w, jax.lax.complex(x, y), 1)
    return v + 2 * linear.real + jnp.einsum("a,b,ab...->...", w, w.conj(), h).real

  return function


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_rule_equals_nested_autodiff(n):
  a, b = _random_jet(n, (2, 3)), _random_jet(n, (2, 3), seed=1)
  fa, fb = _quadratic(a), _quadratic(b)
  w = np.random.default_rng(2).normal(size=(3, 4))
  bias = np.arange(4.0)
  rules = {
    "linear": lambda a, b: jets.linear(a, w, bias),
    "product": lambda a, b: a * b,
    "sum": lambda a, b: 2.0 * a + b - 3.0,
    "difference": lambda a, b: 1.0 - (a - b),
    "log": lambda a, b: jets.log(a),
    "concatenate": lambda a, b: jets.concatenate([a, b]),
    "sum_features": lambda a, b: jets.sum_features(a),
    "index": lambda a, b: a[..., 1],
    "dense": lambda a, b: jets.dense("gelu", a, w, bias),
  }
  # The same rules act on plain arrays, whose derivatives are autodiff's.
  got = jax.jit(lambda a, b: {k: rule(a, b).rows for k, rule in rules.items()})(a, b)
  expected = reference.jet_at_origin(
    lambda u: jnp.concatenate([rule(fa(u), fb(u)).ravel() for rule in rules.values()]), n
  )
  start = 0
  for name in rules:
    rows = got[name]
    rows = rows.reshape(rows.shape[0], -1)
    np.testing.assert_allclose(
      rows, expected[:, start : start + rows.shape[1]], rtol=1e-12, atol=1e-12, err_msg=name
    )
    start += rows.shape[1]
  assert start == expected.shape[1]


def test_rules_on_plain_arrays():
  a, w, b = np.array([[0.5, 2.0]]), np.array([[1.0], [3.0]]), np.array([0.25])
  np.testing.assert_allclose(jets.dense("tanh", a, w, b), np.tanh(a @ w + b), rtol=1e-15)
  np.testing.assert_allclose(jets.log(a), np.log(a))
  np.testing.assert_allclose(jets.sum_features(a), [2.5])
  np.testing.assert_allclose(jets.concatenate([a, a]), [[0.5, 2.0, 0.5, 2.0]])


def test_every_activation_equals_nested_autodiff():
  jet = _random_jet(2, (3,))
  function = _quadratic(jet)
  got = jax.jit(lambda jet: [jets.activate(name, jet).rows for name in activations.ACTIVATIONS])(
    jet
  )
  expected = reference.jet_at_origin(
    lambda u: jnp.stack([jets.activate(name, function(u)) for name in activations.ACTIVATIONS]), 2
  )
  for k, name in enumerate(activations.ACTIVATIONS):
    np.testing.assert_allclose(got[k], expected[:, k], rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("name", ["gelu", "log"])
def test_hand_written_backward_equals_autodiff_of_the_rule(n, name):
  """The custom VJP against plain autodiff through naive complex formulas."""
  jet = _random_jet(n, (2, 3))
  w = np.random.default_rng(1).uniform(0.5, 1.5, size=(3, 2))
  b = np.array([0.4, 0.2])
  weights = np.random.default_rng(2).normal(size=((1 + n) ** 2, 2, 2))

  def handwritten(rows, w, b):
    return (weights * jets.dense(name, jets.Jet(rows), w, b).rows).sum()

  def naive(rows, w, b):
    pre = rows @ w
    v = pre[0] + b
    d = jax.lax.complex(pre[1 : 1 + n], pre[1 + n : 1 + 2 * n])
    fs = activations.derivatives(name, v, 2)
    mixed = fs[1] * reference.unpack(pre[1 + 2 * n :]) + fs[2] * d[:, None] * d.conj()[None]
    rows = jnp.concatenate([fs[0][None], fs[1] * d.real, fs[1] * d.imag, reference.pack(mixed)])
    return (weights * rows).sum()

  arguments = (jet.rows, w, b)
  got, expected = (
    jax.jit(jax.grad(f, argnums=(0, 1, 2)))(*arguments) for f in (handwritten, naive)
  )
  for g, e in zip(got, expected, strict=True):
    np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-12)


def test_gradient_agrees_with_finite_differences():
  net, params, x, pullback = reference.network(
    lambda x: phi.PhiMLP(ambient=(2,), widths=(5, 4), activation="tanh")(x), (2,), 1
  )

  @jax.jit
  def loss(params):
    return jnp.sin(net(params, jets.from_coordinates(x, pullback)).mixed).sum()

  direction = jax.tree.map(lambda p: np.random.default_rng(p.size).normal(size=p.shape), params)
  step = lambda s: jax.tree.map(lambda p, d: p + s * d, params, direction)
  numerical = (loss(step(1e-5)) - loss(step(-1e-5))) / 2e-5
  gradient = jax.jit(jax.grad(loss))(params)
  exact = sum(
    jnp.vdot(g, d)
    for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True)
  )
  np.testing.assert_allclose(numerical, exact, rtol=1e-7)


def test_jets_pass_through_jit_and_vmap():
  jet = _random_jet(2, (4, 3))
  direct = jets.activate("tanh", jet).rows
  mapped = jax.jit(jax.vmap(lambda rows: jets.activate("tanh", jets.Jet(rows)).rows, 1, 1))(
    jet.rows
  )
  np.testing.assert_allclose(mapped, direct, rtol=1e-13)


def test_pairs_are_the_strict_upper_triangle_row_by_row():
  assert quadratic.pairs(3) == list(itertools.combinations(range(3), 2))
