"""Jets of type (2, 2) against nested autodiff along a curved parametrisation."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import activations, embeddings, index_maps, jets, jets22, phi
from tests.networks import reference


def _second(ambient, n, batch, seed=3):
  rng = np.random.default_rng(seed)
  shape = (batch, n * (n + 1) // 2, sum(ambient) + len(ambient))
  return jnp.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape))


@functools.partial(jax.jit, static_argnums=0)
def nested_rows(function, x, pullback, second):
  """Rows of the jet of function(x) at one point, by nested autodiff in the local coordinates."""
  n = pullback.shape[0]
  pairs = index_maps.symmetric_pairs(n)
  scale = np.array([0.5 if a == c else 1.0 for a, c in pairs])

  def along(u):
    w = jax.lax.complex(u[:n], u[n:])
    quadratic = scale * jnp.stack([w[a] * w[c] for a, c in pairs])
    z = w @ pullback + quadratic @ second
    return function(x + jnp.concatenate([z.real, z.imag]))

  def derivative(f, conjugate):
    """u -> (f, d_a f or dbar_a f along new leading axes); f is compiled once for both."""

    def result(u):
      jacobian, value = jax.jacfwd(lambda u: (f(u),) * 2, has_aux=True)(u)
      leading = lambda j: jnp.moveaxis(j, -1, 0)
      sign = 1j if conjugate else -1j
      half = lambda j: 0.5 * (leading(j)[:n] + sign * leading(j)[n:])
      return value, jax.tree.map(half, jacobian)

    return result

  def twice(u):
    (value, bar), (_, bars) = derivative(derivative(along, True), True)(u)
    return value, bar, bars

  origin = jnp.zeros(2 * n)
  c = lambda array: jets22.Complex(array.real, array.imag)
  (values, (first, mixed, _)), (_, (second_d, third, fourth)) = derivative(
    derivative(twice, False), False
  )(origin)
  return jnp.stack(
    jets22.pack(
      jets22.Derivatives(
        c(values[0]),
        [c(first[a]) for a in range(n)],
        [[c(mixed[a, b]) for b in range(n)] for a in range(n)],
        [c(second_d[p]) for p in pairs],
        [[c(third[p][b]) for b in range(n)] for p in pairs],
        [[c(fourth[p][q]) for q in pairs] for p in pairs],
      )
    )
  )


def _features(ambient):
  net = hk.without_apply_rng(hk.transform(lambda x: embeddings.SpectralEmbedding(ambient)(x)))
  return lambda x: net.apply({}, x)


@pytest.mark.parametrize("ambient, n", [((2,), 1), ((1, 2), 2)])
def test_embedding_equals_nested_autodiff(ambient, n):
  x, pullback = reference.points(ambient, n, 1)
  second = _second(ambient, n, 1)
  features = _features(ambient)
  got = jax.jit(lambda *a: features(jets22.from_coordinates(*a)).rows)(x, pullback, second)
  expected = nested_rows(features, x[0], pullback[0], second[0])
  np.testing.assert_allclose(got[:, 0], expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())


def test_every_rule_equals_nested_autodiff():
  """Activations, product, sum, linear maps: all rules on the features of points of P1 x P1."""
  ambient, n = (1, 1), 2
  x, pullback = reference.points(ambient, n, 1)
  second, features = _second(ambient, n, 1), _features(ambient)
  w = np.random.default_rng(0).normal(size=(8, 2))

  def rules(x):
    f = features(x)
    u = jets.linear(f, w, np.array([0.3, 0.1]))
    v = jets.activate("exp", u)
    return jets.concatenate(
      [jets.activate(name, v) for name in activations.ACTIVATIONS]
      + [v * u, 2.0 * u - v + 1.0, jets.dense("gelu", f, w, np.array([0.1, 0.2]))]
    )

  got = jax.jit(lambda *a: rules(jets22.from_coordinates(*a)).rows)(x, pullback, second)
  expected = nested_rows(rules, x[0], pullback[0], second[0])
  scale = np.abs(expected).max(axis=0)
  np.testing.assert_allclose(got[:, 0] / scale, expected / scale, rtol=1e-11, atol=1e-12)


def test_network_agrees_with_its_first_order_jet_and_with_autodiff():
  ambient, n = (3,), 2
  apply, params, x, pullback = reference.network(
    lambda x: phi.PhiMLP(ambient=ambient, widths=(5, 4))(x), ambient, n, batch=2
  )
  second = _second(ambient, n, 2)
  jet = apply(params, jets22.from_coordinates(x, pullback, second))
  lower = apply(params, jets.from_coordinates(x, pullback))
  assert jet.num_directions == n and jet.shape == (2,)
  np.testing.assert_allclose(jet.rows[: (1 + n) ** 2], lower.rows, rtol=1e-11, atol=1e-12)
  np.testing.assert_allclose(jet.mixed, lower.mixed, rtol=1e-11, atol=1e-12)
  expected = nested_rows(lambda x: apply(params, x), x[0], pullback[0], second[0])
  np.testing.assert_allclose(
    jet.rows[:, 0], expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max()
  )


@pytest.mark.parametrize("name", ["gelu", "log"])
def test_backward_equals_autodiff_of_the_rule(name):
  """The custom VJP against autodiff through the composition, value row included."""
  rng = np.random.default_rng(0)
  rows, w, b = rng.normal(size=(36, 2, 2)), rng.uniform(0.5, 1, size=(2, 2)), np.array([5.0, 4.0])
  weights = rng.normal(size=(36, 2, 2))

  def handwritten(rows, w, b):
    return (weights * jets.dense(name, jets22.Jet22(rows), w, b).rows).sum()

  def plain(rows, w, b):
    pre = rows @ w
    fs = activations.derivatives(name, pre[0] + b, 4)
    return (weights * jets22.Jet22.compose(fs, pre)).sum()

  got, expected = (
    jax.jit(jax.grad(f, argnums=(0, 1, 2)))(rows, w, b) for f in (handwritten, plain)
  )
  for g, e in zip(got, expected, strict=True):
    np.testing.assert_allclose(g, e, rtol=1e-11, atol=1e-11)


def test_packing_is_inverted():
  rows = np.random.default_rng(0).normal(size=(100, 2))
  np.testing.assert_array_equal(jnp.stack(jets22.pack(jets22.unpack(rows))), rows)
