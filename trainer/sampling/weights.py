"""Exact weights of points drawn by slices: |Omega|^2 over the density of all slice types together.

Let D(t) = det(sum_i t_i g^(i)) be the determinant of the pulled-back Fubini-Study metrics. All
solutions of slices of type s, together, have the density (prod_i a_i!) [t^a] D(t) / N_s with
a_i = n_i - s_i and N_s solutions a slice. Write the determinant on X through the determinant on the
ambient space and the inverse metric on conormal directions, r_i = |z^(i)|^2:

  D(t) = |Omega|^2 pi^{-n} prod_i t_i^{n_i} r_i^{-n_i - 1} det_{ab} sum_i H^i_ab / t_i,
  H^i_ab = r_i sum_{j in factor i} dQ_a/dz_j conj(dQ_b/dz_j).

So |Omega|^2 and the chart cancel from the weight, and only K x K determinants remain:

  1/w = pi^{-n} prod_i r_i^{-n_i - 1} sum_s p_s (prod_i a_i!) / N_s [u^s] det sum_i u_i H^i.
"""

from __future__ import annotations

import itertools
import math

import chex
import jax
import jax.numpy as jnp

from trainer.geometry.small import determinant
from trainer.geometry.variety import Variety
from trainer.sampling.roots import square
from trainer.sampling.slices import SliceType


def weight(
  variety: Variety, types: tuple[SliceType, ...], z: jax.Array, dq: jax.Array
) -> jax.Array:
  """w = |Omega|^2 / density at a point, for slices of all `types` in equal numbers.

  Args:
    variety: the variety.
    types: slice types; the share p_s of a type's points is its N_s over the sum of all.
    z: (N,) complex128, any scale.
    dq: (K, N) complex128, the gradient at z.

  Returns:
    () float64. The mean of w over the points is integral |Omega|^2.
  """
  chex.assert_shape(z, (variety.num_coordinates,))
  chex.assert_shape(dq, (variety.codimension, variety.num_coordinates))
  norms = [jnp.sum(square(z[s])) for s in variety.factor_slices]
  grams = [dq[:, s] @ dq[:, s].conj().T for s in variety.factor_slices]
  return 1 / inverse_weight(variety, types, norms, grams)


def inverse_weight(
  variety: Variety,
  types: tuple[SliceType, ...],
  norms: list[jax.Array],
  grams: list[jax.Array],
) -> jax.Array:
  """1/w from what it depends on, for any Hermitian products on the factors.

  Args:
    variety: the variety.
    types: slice types, as above.
    norms: for each factor r_i = |z^(i)|^2, shape (...).
    grams: for each factor sum_j dQ_a/dz_j conj(dQ_b/dz_j), shape (K, K, ...).

  Returns:
    (...) float64.
  """
  forms = [r * gram for r, gram in zip(norms, grams)]
  total = sum(t.num_points for t in types)
  inverse = 0
  for t in types:
    orders = math.prod(math.factorial(n - s) for n, s in zip(variety.ambient, t.dimensions))
    # p_s / N_s = 1 / total.
    inverse = inverse + orders / total * mixed_determinant(forms, t.dimensions)
  scale = math.prod(r ** (n + 1) for r, n in zip(norms, variety.ambient))
  return inverse / (math.pi**variety.dimension * scale)


def mixed_determinant(forms: list[jax.Array], dimensions: tuple[int, ...]) -> jax.Array:
  """[prod_i u_i^{s_i}] det(sum_i u_i H^i), by linearity in the rows.

  Args:
    forms: m Hermitian (K, K, ...) complex matrices H^i.
    dimensions: (s_1, ..., s_m), of sum K.

  Returns:
    (...) real.
  """
  owners = [i for i, s in enumerate(dimensions) for _ in range(s)]
  total = 0
  for assignment in sorted(set(itertools.permutations(owners))):
    total = total + determinant(jnp.stack([forms[i][a] for a, i in enumerate(assignment)])).real
  return total
