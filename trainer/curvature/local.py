"""Second derivatives of the local parametrisation of a variety, which is curved."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

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
  left, right = _rows(pullback, a), _rows(pullback, c)
  forms = []
  pairs = [(i, j) for i in range(size) for j in range(i, size)]
  for row in variety.gradients:
    hessians = {pair: row[pair[0]].partial(pair[1]) for pair in pairs}
    hessians = {pair: hessian for pair, hessian in hessians.items() if hessian.exponents}
    total = jnp.zeros(len(a), z.dtype)
    for (i, j), value in zip(hessians, evaluate(list(hessians.values()), z), strict=True):
      product = left[:, i] * right[:, j]
      if i != j:
        product = product + left[:, j] * right[:, i]
      total = total + value * product
    forms.append(total)
  dq = patches.gradient(variety, z)
  # Broadcast sums instead of matmuls: under vmap tiny complex matmuls do not vectorise.
  solve = inverse(jnp.sum(dq[:, None] * complement[None], axis=-1))  # [e, k]
  coefficients = -jnp.sum(solve[:, :, None] * jnp.stack(forms)[None], axis=1)  # (K, m)
  return jnp.sum(coefficients[:, :, None] * complement[:, None, :], axis=0)


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
