"""Second derivatives of the local parametrisation of a variety, which is curved."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import index_maps
from trainer.geometry import patches
from trainer.geometry.polynomials import evaluate
from trainer.geometry.small import inverse
from trainer.geometry.variety import Variety


def second_derivatives(
  variety: Variety, z: jax.Array, pullback: jax.Array, complement: jax.Array
) -> jax.Array:
  """d^2 z^i / dx^a dx^c at one point, from Q(z(x)) = 0.

  sum_i Q_i z^i_ac = - sum_ij Q_ij J_a^i J_c^j leaves z_ac free along the variety. It is taken in
  the span of the rows of `complement`: with the eliminated coordinates' one-hot rows, x are exactly
  the local coordinates of trainer.geometry.patches; see `normal_complement` for another choice.

  Args:
    variety: the variety.
    z: (N,) complex, on the variety.
    pullback: (n, N) complex, J[a, i] = dz^i/dx^a.
    complement: (K, N) real or complex, transverse to the variety.

  Returns:
    (m, N) complex, over the m = n(n + 1)/2 pairs a <= c, row by row.
  """
  n, k, size = variety.dimension, variety.codimension, variety.num_coordinates
  chex.assert_shape([z, pullback, complement], [(size,), (n, size), (k, size)])
  a, c = (list(index) for index in zip(*index_maps.symmetric_pairs(n), strict=True))
  forms = _second(variety, z, _rows(pullback, a), _rows(pullback, c))
  dq = patches.gradient(variety, z)
  # Broadcast sums instead of matmuls: under vmap tiny complex matmuls do not vectorise.
  solve = inverse(jnp.sum(dq[:, None] * complement[None], axis=-1))  # [e, k]
  coefficients = -jnp.sum(solve[:, :, None] * forms[None], axis=1)  # (K, m)
  return jnp.sum(coefficients[:, :, None] * complement[:, None, :], axis=0)


def log_omega_slope(
  variety: Variety, z: jax.Array, pullback: jax.Array, normal: jax.Array
) -> jax.Array:
  """d_c log Omega at one point, in coordinates whose second derivatives are normal.

  Omega = det(z^(1), .., z^(m), d_1 z, .., d_n z, v_1, .., v_K) / det(dQ_i v_j) for all v, z^(i)
  with zeros in place of other factors: the residue of the form of the ambient space. With v fixed
  to the normal directions at the point, which d_a d_c z are combinations of, z^(i) alone change in
  the numerator to first order.

  Args:
    variety: the variety.
    z: (N,) complex, on the variety.
    pullback: (n, N) complex, J[a, i] = dz^i/dx^a.
    normal: (K, N) complex, see `normal_complement`.

  Returns:
    (n,) complex.
  """
  n, k, m = variety.dimension, variety.codimension, len(variety.ambient)
  solve = inverse(jnp.sum(normal.conj()[:, None] * normal[None], axis=-1))  # [j, i]
  # Q_i's second derivatives along J_c and v_j: [i, c, j].
  changes = _second(variety, z, jnp.repeat(pullback, k, axis=0), jnp.tile(normal, (n, 1)))
  denominator = jnp.sum(solve.T[:, None] * changes.reshape(k, n, k), axis=(0, 2))

  factors = np.repeat(np.eye(m), np.array(variety.ambient) + 1, axis=1)
  factors = jnp.asarray(factors, z.real.dtype)
  rows = jnp.concatenate([factors * z, pullback, normal])
  # How much of z^(i) is in J_c^(i).
  moved = jnp.linalg.solve(rows.T, (factors[:, None] * pullback).reshape(m * n, -1).T)
  return jnp.sum(jnp.einsum("iic->ic", moved[:m].reshape(m, m, n)), axis=0) - denominator


def _second(variety, z, left, right):
  """sum_ij (d_i d_j Q) left_i right_j of each polynomial: rows (m, N) -> (K, m)."""
  size = variety.num_coordinates
  pairs = [(i, j) for i in range(size) for j in range(i, size)]
  forms = []
  for row in variety.gradients:
    hessians = {pair: row[pair[0]].partial(pair[1]) for pair in pairs}
    hessians = {pair: hessian for pair, hessian in hessians.items() if hessian.exponents}
    total = jnp.zeros(len(left), z.dtype)
    for (i, j), value in zip(hessians, evaluate(list(hessians.values()), z), strict=True):
      product = left[:, i] * right[:, j]
      if i != j:
        product = product + left[:, j] * right[:, i]
      total = total + value * product
    forms.append(total)
  return jnp.stack(forms)


def normal_complement(variety: Variety, z: jax.Array) -> jax.Array:
  """conj(dQ) (K, N): the normal directions of the variety at z (N,), which need no chart.

  Two choices of complement differ by a change of coordinates x -> x + O(x^2), which leaves
  every tensor at the point unchanged: for the Riemann tensor the normal directions serve as well
  as the chart's.
  """
  chex.assert_shape(z, (variety.num_coordinates,))
  return patches.gradient(variety, z).conj()


def _rows(matrix, index):
  return jnp.stack([matrix[i] for i in index])
