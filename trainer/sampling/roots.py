"""All roots of many univariate polynomials at once. The batch is the trailing axis throughout."""

from __future__ import annotations

from collections.abc import Callable
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.fence import fence

# Aberth's iteration converges cubically from 10 to 20 steps; slower polynomials are dropped.
_MAX_STEPS = 60


def interpolate(f: Callable[[jax.Array], jax.Array], degree: int, batch: int) -> jax.Array:
  """Coefficients of polynomials given by their values.

  The values at the roots of unity, Fourier transformed: perfectly conditioned in the largest
  coefficient.

  Args:
    f: t (degree + 1, 1) complex128 -> (degree + 1, batch) complex128, polynomials of that degree.
    degree: d.
    batch: B.

  Returns:
    (d + 1, B) complex128, the constant term first.
  """
  k = np.arange(degree + 1)
  values = f(jnp.asarray(np.exp(2j * math.pi * k / (degree + 1)))[:, None])
  chex.assert_shape(values, (degree + 1, batch))
  fourier = np.exp(-2j * math.pi * np.outer(k, k) / (degree + 1)) / (degree + 1)
  return fence(jnp.asarray(fourier) @ values)


def all_roots(coefficients: jax.Array, tolerance: float = 1e-13) -> jax.Array:
  """All roots, by Aberth's simultaneous iteration.

  t_i -= u_i / (1 - u_i sum_{j != i} 1/(t_i - t_j)) with u = f/f', from a circle of the geometric
  mean of the roots' moduli. Converges cubically to simple roots, from almost anywhere.

  Args:
    coefficients: (d + 1, B) complex128, the constant term first, with d >= 1.
    tolerance: largest relative change of a root in the last step, whose error is its third power.

  Returns:
    (d, B) complex128. Columns that did not converge hold no roots: check residuals.

  Source: O. Aberth, Math. Comp. 27 (1973) 339.
  """
  chex.assert_rank(coefficients, 2)
  d = coefficients.shape[0] - 1
  if d == 1:
    return -coefficients[:1] / coefficients[1:]
  radius = (jnp.abs(coefficients[0]) / jnp.abs(coefficients[d])) ** (1 / d)
  # Off the symmetry axes of real polynomials, where the iteration could stay.
  start = radius * np.exp(1j * (2 * math.pi * np.arange(d) / d + 0.7))[:, None]

  def step(state):
    count, _, t = state
    f, slope = coefficients[d] + 0 * t, 0 * t
    for c in coefficients[d - 1 :: -1]:
      slope = slope * t + f
      f = f * t + c
    repulsion = sum(reciprocal(t - jnp.roll(t, shift, axis=0)) for shift in range(1, d))
    change = f * reciprocal(slope - f * repulsion)
    t = t - change
    largest = jnp.max(square(change) / square(t))
    return count + 1, largest, t

  def unfinished(state):
    count, largest, _ = state
    # A NaN compares false and would end the iteration for the whole batch.
    return (count < _MAX_STEPS) & ~(largest <= tolerance**2)

  return jax.lax.while_loop(unfinished, step, (0, jnp.inf, start))[2]


def square(z: jax.Array) -> jax.Array:
  """|z|^2."""
  return z.real**2 + z.imag**2


def reciprocal(z: jax.Array) -> jax.Array:
  """1/z without the scaling that complex division does against overflow: four times faster."""
  return jnp.conj(z) / square(z)
