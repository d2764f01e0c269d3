"""Patches, local coordinates, pullbacks and the holomorphic volume form, at one point.

Callers use jax.vmap for batches. Charts are one-hot masks, never indices: products with masks
differentiate into products, where gathers differentiate into slow scatters.
"""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.fence import fence
from trainer.geometry.polynomials import evaluate
from trainer.geometry.small import determinant, inverse
from trainer.geometry.variety import Variety


class Chart(NamedTuple):
  """Local coordinates at a point: which of the N coordinates vary, and which depend on them."""

  kept: jax.Array  # (n, N) one-hot real: local coordinate x^a is z_i where kept[a, i] = 1
  eliminated: jax.Array  # (K, N) one-hot real


def normalise(variety: Variety, z: jax.Array) -> jax.Array:
  """Scales each factor so that its largest coordinate is exactly 1; shape (N,) -> (N,)."""
  chex.assert_shape(z, (variety.num_coordinates,))
  patch = _patch_mask(variety, z)
  parts = []
  for s in variety.factor_slices:
    pivot = jnp.sum(jnp.where(patch[s], z[s], 0))
    parts.append(jnp.where(patch[s], 1, z[s] / pivot))
  return jnp.concatenate(parts)


# Many functions of a point read it: as a function of its own it is traced once.
@functools.partial(jax.jit, static_argnums=0)
def gradient(variety: Variety, z: jax.Array) -> jax.Array:
  """dQ_a/dz_i at z (N,) -> (K, N); or at points z (N, ...), coordinates first -> (K, N, ...)."""
  chex.assert_axis_dimension(z, 0, variety.num_coordinates)
  partials = evaluate([q for row in variety.gradients for q in row], z)
  return jnp.asarray(partials).reshape(variety.codimension, *z.shape)


def choose_chart(variety: Variety, z: jax.Array) -> Chart:
  """The best conditioned local coordinates at a point.

  The largest coordinate of each factor is its patch coordinate, constant in the chart; the K
  eliminated ones are those, among the rest, whose minor of dQ has the largest modulus.

  Args:
    variety: the variety.
    z: (N,) complex, normalised (see `normalise`).

  Returns:
    Chart of masks of z's real type. Piecewise constant: it carries no derivative.
  """
  chex.assert_shape(z, (variety.num_coordinates,))
  z = jax.lax.stop_gradient(z)
  return _best_chart(variety, z, _patch_mask(variety, z))


def another_chart(variety: Variety, z: jax.Array) -> Chart:
  """Well conditioned local coordinates at a point that are none of `choose_chart`'s.

  Constant is the second largest coordinate of each factor; which are eliminated is chosen among the
  rest, the largest ones included, as there.

  Args:
    variety: the variety.
    z: (N,) complex, in any scaling.

  Returns:
    Chart of masks of z's real type, without derivatives.
  """
  chex.assert_shape(z, (variety.num_coordinates,))
  z = jax.lax.stop_gradient(z)
  without = jnp.where(_patch_mask(variety, z), 0, z)
  return _best_chart(variety, z, _patch_mask(variety, without))


def _best_chart(variety, z, patch):
  """The chart with these constant coordinates (N,) bool whose minor of dQ is the largest."""
  n_all, k = variety.num_coordinates, variety.codimension
  subsets, minors = _chart_minors(patch, gradient(variety, z))
  best = jax.nn.one_hot(jnp.argmax(jnp.abs(minors)), len(subsets), dtype=z.real.dtype)
  members = np.zeros((len(subsets), n_all))
  for row, subset in enumerate(subsets):
    members[row, list(subset)] = 1
  eliminated = best @ members.astype(z.real.dtype) > 0.5
  kept = ~(eliminated | patch)
  return Chart(
    _one_hot_rows(kept, variety.dimension, z.real.dtype), _one_hot_rows(eliminated, k, z.real.dtype)
  )


def pullback(variety: Variety, z: jax.Array, chart: Chart) -> jax.Array:
  """J[a, i] = dz^i/dx^a along the variety.

  From dQ_kept dx + dQ_elim dz_elim = 0: dz_elim/dx = -(dQ_elim)^{-1} dQ_kept.

  Args:
    variety: the variety.
    z: (N,) complex, normalised.
    chart: local coordinates at z.

  Returns:
    (n, N) complex.
  """
  chex.assert_shape(z, (variety.num_coordinates,))
  chex.assert_shape(chart.kept, (variety.dimension, variety.num_coordinates))
  dq = gradient(variety, z)
  slopes = -inverse(_restrict(dq, chart.eliminated)) @ _restrict(dq, chart.kept)  # (K, n)
  return chart.kept + slopes.T @ chart.eliminated.astype(slopes.dtype)


def omega_squared(variety: Variety, z: jax.Array, chart: Chart) -> jax.Array:
  """|Omega|^2 = 1/|det(dQ/dz_eliminated)|^2, the Poincare residue; z (N,) normalised -> ()."""
  chex.assert_shape(z, (variety.num_coordinates,))
  minor = determinant(_restrict(gradient(variety, z), chart.eliminated))
  return 1 / (minor.real**2 + minor.imag**2)


def omega_squared_in_chart(variety: Variety, z: jax.Array, dq: jax.Array) -> jax.Array:
  """|Omega|^2 in the chart that choose_chart picks, without building the chart.

  Args:
    variety: the variety.
    z: (N, ...) complex, normalised points.
    dq: (K, N, ...) complex, the gradient there.

  Returns:
    (...) real.
  """
  chex.assert_axis_dimension(z, 0, variety.num_coordinates)
  chex.assert_shape(dq, (variety.codimension, *z.shape))
  _, minors = _chart_minors(_patch_mask(variety, z), dq)
  return 1 / functools.reduce(jnp.maximum, list(minors.real**2 + minors.imag**2))


def _chart_minors(patch, dq):
  """All K x K minors of dq; those that use a patch coordinate vanish."""
  return _all_minors(jnp.where(patch, 0, dq))


def _patch_mask(variety, z):
  """(N, ...) bool, true at the largest coordinate of each factor (the first of equals)."""
  size = jax.lax.stop_gradient(z.real**2 + z.imag**2)
  largest = [jnp.argmax(size[s], axis=0) for s in variety.factor_slices]
  return jnp.concatenate(
    [
      jnp.arange(s.stop - s.start).reshape(-1, *(1,) * i.ndim) == i
      for s, i in zip(variety.factor_slices, largest)
    ]
  )


def _restrict(dq, mask):
  """Columns of dq (K, N) picked by one-hot rows (k, N) -> (K, k)."""
  return jnp.sum(dq[:, None, :] * mask[None], axis=-1)


def _one_hot_rows(mask, count, dtype):
  """(N,) bool with `count` ones -> (count, N) one-hot rows, in order."""
  rank = jnp.cumsum(mask.astype(jnp.int32))
  return (mask & (rank == jnp.arange(1, count + 1)[:, None])).astype(dtype)


def _all_minors(dq):
  """All maximal minors of a matrix (K, N, ...): (subsets of columns, their determinants).

  Laplace expansion along the last row, one row at a time, so that smaller minors are shared.
  """
  k, n = dq.shape[:2]
  subsets, minors = [(i,) for i in range(n)], dq[0]
  for r in range(1, k):
    position = {subset: p for p, subset in enumerate(subsets)}
    subsets = list(itertools.combinations(range(n), r + 1))
    total = 0
    for j in range(r + 1):
      column = np.array([s[j] for s in subsets])
      rest = np.array([position[s[:j] + s[j + 1 :]] for s in subsets])
      total = total + (-1) ** (r + j) * dq[r, column] * minors[rest]
    minors = fence(total)
  return subsets, minors
