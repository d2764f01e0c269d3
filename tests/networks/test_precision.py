"""Rounded matmuls: only where asked for, both factors, forwards and backwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import jets, phi, precision
from tests.networks import reference


def _rounded(a, bits):
  """To this many bits of mantissa after the leading one, ties to even."""
  mantissa, exponent = np.frexp(np.asarray(a, np.float64))
  return np.ldexp(np.round(mantissa * 2.0 ** (bits + 1)), exponent - bits - 1)


def _factors(dtype=jnp.float32):
  rng = np.random.default_rng(0)
  return (jnp.asarray(rng.normal(size=shape), dtype) for shape in ((5, 3), (3, 2), (5, 2)))


@pytest.mark.parametrize("name, bits", [("tf32", 10), ("bfloat16", 7)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_factors_are_rounded_and_sums_are_not(name, bits, dtype):
  x, w, g = _factors(dtype)
  x_rounded, w_rounded, g_rounded = (_rounded(a, bits) for a in (x, w, g))
  expected = x_rounded @ w_rounded, g_rounded @ w_rounded.T, x_rounded.T @ g_rounded
  for matmul in (jets.layer_matmul, precision.tall_matmul):
    with precision.matmuls(name):
      product, transpose = jax.vjp(matmul, x, w)
    for got, value in zip((product, *transpose(g)), expected, strict=True):
      assert got.dtype == dtype
      np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)


def test_a_tall_matmul_in_full_precision_has_the_derivatives_of_a_matmul():
  x, w, g = _factors(jnp.float64)
  product, transpose = jax.vjp(precision.tall_matmul, x, w)
  for got, value in zip((product, *transpose(g)), (x @ w, g @ w.T, x.T @ g), strict=True):
    np.testing.assert_allclose(got, value, rtol=1e-13)


def test_full_precision_is_the_default_and_comes_back():
  x, w, _ = _factors()
  expected = np.asarray(x, np.float64) @ np.asarray(w, np.float64)
  with precision.matmuls("bfloat16"):
    assert np.abs(jets.layer_matmul(x, w) - expected).max() > 1e-4
    np.testing.assert_allclose(jets.matmul(x, w), expected, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(jets.layer_matmul(x, w), expected, rtol=1e-5, atol=1e-6)


def test_a_network_follows_and_stays_close():
  apply, params, x, pullback = reference.network(
    lambda x: phi.PhiMLP(ambient=(2,), widths=(8, 8))(x), (2,), 1
  )
  # A new function each time: the precision of matmuls is that of the time of compilation.
  gradient = lambda: jax.jit(
    jax.grad(
      lambda p: jnp.square(apply.__wrapped__(p, jets.from_coordinates(x, pullback)).mixed).sum()
    )
  )(params)
  exact = gradient()
  with precision.matmuls("bfloat16"):
    rounded = gradient()
  for a, b in zip(jax.tree.leaves(rounded), jax.tree.leaves(exact), strict=True):
    if np.any(b):
      error = np.linalg.norm(a - b) / np.linalg.norm(b)
      assert 1e-5 < error < 0.05


def test_an_unknown_precision_is_refused():
  with pytest.raises(ValueError, match="choose one of float32, tf32, bfloat16"):
    with precision.matmuls("fp8"):
      pass
