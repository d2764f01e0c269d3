"""Real forms of type (k, k) and their products.

Forms of even degree commute: a sum of two products of forms is as good as a polynomial, and a
Chern number is one polynomial of curvature two-forms.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=("components",),
  meta_fields=("dimension", "degree"),
)
@dataclasses.dataclass(frozen=True)
class Form:
  """sum_{CD} A_{CD} prod_i (i/2) dx^{c_i} ^ dxbar^{d_i}, over subsets of k of n coordinates.

  C = (c_1 < .. < c_k) and D run in lexicographic order. For k = n the only component is the density
  against d^{2n}x.

  Attributes:
    dimension: n.
    degree: k.
    components: (C(n, k), C(n, k), ...) complex, [C, D] and behind them whatever the forms are
      indexed by; products broadcast there.
  """

  dimension: int
  degree: int
  components: jax.Array

  def __add__(self, other: Form) -> Form:
    chex.assert_equal(self.degree, other.degree)
    return dataclasses.replace(self, components=self.components + other.components)

  def __mul__(self, other: Form | float) -> Form:
    """The wedge product, (A B)_{CD} = sum sgn sgn A_{C'D'} B_{C''D''}, over C = C' u C'' and D."""
    if not isinstance(other, Form):
      return dataclasses.replace(self, components=self.components * other)
    n, degree = self.dimension, self.degree + other.degree
    chex.assert_equal(n, other.dimension)
    left, right, sign = _splittings(n, self.degree, other.degree)
    behind = max(self.components.ndim, other.components.ndim) - 2
    # Every term reads all of both: without the fence XLA computes them again for each.
    a, b = jax.lax.optimization_barrier((self.components, other.components))
    total = 0.0
    for s, t in itertools.product(range(sign.shape[1]), repeat=2):
      signs = np.outer(sign[:, s], sign[:, t]).reshape(len(sign), len(sign), *[1] * behind)
      ours, theirs = np.ix_(left[:, s], left[:, t]), np.ix_(right[:, s], right[:, t])
      total += signs * a[ours] * b[theirs]
    return Form(n, degree, total)

  def density(self) -> jax.Array:
    """The density of a real form of degree n against d^{2n}x, (...) real."""
    chex.assert_equal(self.degree, self.dimension)
    return self.components[0, 0].real


def from_matrix(h: jax.Array) -> Form:
  """The form (i/2) h_{a bbar} dx^a ^ dxbar^b; the Kaehler form of h = g.

  Args:
    h: (..., n, n) complex Hermitian, [a, b].

  Returns:
    Form of degree 1, its components (n, n, ...). Its n-th power is n! det h d^{2n}x.
  """
  n = h.shape[-1]
  chex.assert_shape(h, (..., n, n))
  return Form(n, 1, jnp.moveaxis(h, (-2, -1), (0, 1)))


@functools.cache
def _splittings(n, j, k):
  """How the subsets of j + k of n coordinates split into one of j and one of k.

  Returns:
    Positions of both among the subsets of their size, (C(n, j + k), C(j + k, j)) integers each, and
    the signs of the permutations that sort them.
  """
  place = lambda size: {c: i for i, c in enumerate(itertools.combinations(range(n), size))}
  first, second = place(j), place(k)
  shape = (math.comb(n, j + k), math.comb(j + k, j))
  left, right, sign = np.zeros(shape, int), np.zeros(shape, int), np.zeros(shape)
  for row, subset in enumerate(itertools.combinations(range(n), j + k)):
    for column, inside in enumerate(itertools.combinations(subset, j)):
      rest = tuple(c for c in subset if c not in inside)
      inversions = sum(a > b for a in inside for b in rest)
      left[row, column], right[row, column] = first[inside], second[rest]
      sign[row, column] = (-1) ** inversions
  return left, right, sign
