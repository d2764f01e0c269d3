"""The phi network and its embedding: jets, invariance, one set of parameters, float32 purity."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import embeddings, jets, phi
from tests.networks import reference


@pytest.mark.parametrize(
  "ambient, n", [((2,), 1), ((3,), 2), ((4,), 3), ((5,), 4), ((1, 2), 2), ((1, 1, 1, 1), 3)]
)
def test_network_jet_equals_nested_autodiff(ambient, n):
  apply, params, x, pullback = reference.network(
    lambda x: phi.PhiMLP(ambient=ambient, widths=(6, 5))(x), ambient, n, batch=2
  )
  jet = apply(params, jets.from_coordinates(x, pullback))
  expected = reference.nested_jet(lambda x: apply(params, x), x, pullback)
  assert jet.shape == (2,) and jet.num_directions == n
  scale = np.abs(expected).max()
  np.testing.assert_allclose(jet.rows, expected, rtol=1e-12, atol=1e-12 * scale)
  np.testing.assert_allclose(jet.mixed, jet.rows[1 + 2 * n :])


def test_parameter_gradient_equals_that_of_nested_autodiff():
  apply, params, x, pullback = reference.network(
    lambda x: phi.PhiMLP(ambient=(1, 2), widths=(4, 5))(x), (1, 2), 2, batch=2
  )

  def by_jets(params):
    return jnp.square(apply(params, jets.from_coordinates(x, pullback)).rows).sum()

  def by_autodiff(params):
    return jnp.square(reference.nested_jet(lambda x: apply(params, x), x, pullback)).sum()

  got, expected = jax.jit(jax.grad(by_jets))(params), jax.jit(jax.grad(by_autodiff))(params)
  jax.tree.map(
    lambda g, e: np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-12 * np.abs(e).max()),
    got,
    expected,
  )


def test_any_batch_axes_give_the_same_numbers():
  apply, params, x, pullback = reference.network(
    lambda x: phi.PhiMLP(ambient=(2,), widths=(4,))(x), (2,), 1, batch=4
  )
  flat = apply(params, jets.from_coordinates(x, pullback)).rows
  grid = apply(params, jets.from_coordinates(x.reshape(2, 2, 6), pullback.reshape(2, 2, 1, 3))).rows
  single = apply(params, jets.from_coordinates(x[0], pullback[0])).rows
  np.testing.assert_allclose(grid.reshape(4, 4), flat, rtol=1e-13)
  np.testing.assert_allclose(single, flat[:, 0], rtol=1e-13)
  np.testing.assert_allclose(apply(params, x), flat[0], rtol=1e-13)
  np.testing.assert_allclose(apply(params, x[0]), flat[0, 0], rtol=1e-13)


def test_invariant_under_rescaling_each_factor():
  ambient = (1, 2)
  reference.assert_invariant_under_rescaling(
    *reference.network(lambda x: phi.PhiMLP(ambient=ambient, widths=(4,))(x), ambient, 2)
  )


def test_embedding_is_the_projector_on_the_line():
  x, _ = reference.points((1, 2), 1, 1)
  z = x[0, :5] + 1j * x[0, 5:]
  embed = hk.without_apply_rng(hk.transform(lambda x: embeddings.SpectralEmbedding((1, 2))(x)))
  features = np.asarray(jax.jit(embed.apply)({}, jnp.asarray(x[0])))
  for part, size, start in ((z[:2], 2, 0), (z[2:], 3, 4)):
    s = np.outer(part, part.conj()) / np.vdot(part, part).real
    got = features[start : start + size * size].reshape(size, size)
    np.testing.assert_allclose(got, np.triu(s.real) + np.tril(s.imag.T, -1), atol=1e-15)


def test_starts_at_fubini_study():
  net = hk.without_apply_rng(hk.transform(lambda x: phi.PhiMLP(ambient=(4,))(x)))
  x, pullback = reference.points((4,), 3, 2)
  params = jax.jit(net.init)(jax.random.key(0), jnp.asarray(x[0]))
  assert not np.any(
    jax.jit(net.apply)(params, jets.from_coordinates(x, jnp.asarray(pullback))).rows
  )


def test_float32_network_holds_no_float64():
  """With x64 enabled, no wide number may appear anywhere in the training computation."""
  apply, params, x, pullback = reference.network(
    lambda x: phi.PhiMLP(ambient=(1, 2), widths=(4, 4))(x), (1, 2), 2
  )
  narrow = jax.tree.map(lambda a: a.astype(jnp.float32), (params, x))
  gradient = jax.make_jaxpr(
    jax.grad(lambda p, x, j: jnp.square(apply(p, jets.from_coordinates(x, j)).mixed).sum())
  )(*narrow, pullback.astype(jnp.complex64))
  assert "float32[" in str(gradient) or "f32[" in str(gradient)
  assert not any(wide in str(gradient) for wide in ("f64", "c128"))


@pytest.mark.parametrize(
  "kwargs, message",
  [
    ({"activation": "relu"}, "unknown activation 'relu'"),
    ({"widths": (64, 0)}, "widths must be one or more positive integers"),
    ({"widths": ()}, "widths must be one or more positive integers"),
  ],
)
def test_bad_arguments_are_named(kwargs, message):
  with pytest.raises(ValueError, match=message):
    hk.transform(lambda x: phi.PhiMLP(ambient=(4,), **kwargs)(x)).init(
      jax.random.key(0), jnp.ones(10)
    )
