"""Third and fourth derivatives by the 2n + 1 rule against jets that carry every row along."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import adjoint22, index_maps, jets, jets22


def _all_rows(activation, weights, biases, x):
  for w, b in zip(weights[:-1], biases[:-1], strict=True):
    x = jets.dense(activation, x, w, b)
  return jets.linear(x, weights[-1], biases[-1])


def _network(n, batch_shape=(2,), widths=(4, 5, 3, 1)):
  rng = np.random.default_rng(n)
  weights = [rng.normal(size=shape) for shape in zip(widths[:-1], widths[1:], strict=True)]
  biases = [rng.normal(size=width) for width in widths[1:]]
  num_rows = (1 + n + n * (n + 1) // 2) ** 2
  rows = rng.normal(size=(num_rows, *batch_shape, widths[0]))
  return weights, biases, jets22.Jet22(jnp.asarray(rows))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_equals_jets_that_carry_all_rows(n):
  weights, biases, x = _network(n, widths=(4, 3, 1) if n == 4 else (4, 5, 3, 1))
  got = jax.jit(lambda *a: adjoint22.scalar_mlp("gelu", *a))(weights, biases, x).rows
  # Not compiled, which for this many separate rows takes longer than running them.
  expected = _all_rows("gelu", weights, biases, x).rows
  np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12 * np.abs(expected).max())


def test_gradient_equals_that_of_all_rows():
  """With respect to parameters and to the rows that come in."""
  weights, biases, x = _network(2)
  cotangent = np.random.default_rng(0).normal(size=(36, 2, 1))

  def gradient(scalar_mlp):
    loss = lambda *a: (cotangent * jnp.sin(scalar_mlp("tanh", *a).rows)).sum()
    return jax.grad(loss, argnums=(0, 1, 2))

  got, expected = (
    jax.jit(gradient(adjoint22.scalar_mlp))(weights, biases, x),
    gradient(_all_rows)(weights, biases, x),
  )
  jax.tree.map(
    lambda g, e: np.testing.assert_allclose(g, e, rtol=1e-9, atol=1e-10 * np.abs(e).max()),
    got,
    expected,
  )


def test_any_batch_axes():
  weights, biases, x = _network(1, batch_shape=(2, 3))
  grid = adjoint22.scalar_mlp("sin", weights, biases, x).rows
  single = adjoint22.scalar_mlp("sin", weights, biases, jets22.Jet22(x.rows[:, 1, 2])).rows
  assert grid.shape == (9, 2, 3, 1)
  np.testing.assert_allclose(grid[:, 1, 2], single, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_index_maps_undo_packing(n):
  rng = np.random.default_rng(0)
  h = rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n))
  h = h + h.conj().T
  rows = index_maps.pack_form(h[..., None])[:, 0]
  np.testing.assert_allclose(index_maps.form(n) @ rows, h)
  np.testing.assert_allclose(index_maps.vector(n) @ index_maps.pack_vector(h[0]), h[0])
  pairs = index_maps.symmetric_pairs(n)
  assert [index_maps.pair_index(n)[c, a] for a, c in pairs] == list(range(len(pairs)))
