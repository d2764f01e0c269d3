"""Hermitian forms kept positive: where H > 0, an algebraic metric is one everywhere.

Sections of a very ample bundle embed the manifold, and d dbar log s* H s / (pi k) with H > 0 is
the pullback of a Fubini-Study metric. So is a sum of such, of multidegrees that may be 0 in some
factors of the ambient space: a term is positive but along directions in which none of its own
factors changes, and each factor is some term's. Least squares on a sample of points do not know
that: a form of theirs may have negative eigenvalues, and g is then indefinite in places between the
points.
"""

import chex
import jax.numpy as jnp

# The least eigenvalue of H relative to the largest.
FLOOR = 1e-5


def lift(values: chex.Array, largest: chex.Array) -> chex.Array:
  """By how much each eigenvalue of a form is below FLOOR times the largest, 0 if it is not."""
  return jnp.maximum(FLOOR * largest - values, 0)


def blend(least: chex.Array, largest: chex.Array) -> chex.Array:
  """The least t >= 0 for which (1 - t) H + t 1 is above the floor, () from H's eigenvalues."""
  missing = FLOOR * largest - least
  return jnp.where(missing > 0, missing / (missing + 1 - FLOOR), 0)


def packed(re: chex.Array, im: chex.Array) -> chex.Array:
  """[[Re, -Im], [Im, Re]] of Hermitian matrices (..., N, N); it has each eigenvalue twice."""
  return jnp.concatenate(
    [jnp.concatenate([re, -im], axis=-1), jnp.concatenate([im, re], axis=-1)], axis=-2
  )
