"""Features u_k conj(u_l) / |z|^2d, u holomorphic, and their derivatives of type (2, 2).

Of third and fourth derivatives a perceptron reads sums over its features with few weights alone
(networks.adjoint22). Such a sum is one Hermitian form of u, whose derivatives are small products of
matrices however many features there are.

Shape letters: A = 1 + n + m rows (u, d_a u and d_a d_c u over pairs), P points, M functions u_k,
F features, W weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import itertools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import gauge, jets22
from networks.split_complex import Complex


class Products(NamedTuple):
  """Features of one kind.

  Attributes:
    vectors: (A, P, M), u and its derivatives in the gauge of networks.gauge.
    log: the derivatives of log |z|^2d.
    pair: d_i u and d_j u (K, P, M) -> d_i dbar_j of the features but for |z|, (K, P, F).
    form: w (P, W, F) -> H (P, W, M, M), sum_f w_f feature_f = sum_kl u_k H_kl conj(u_l).
  """

  vectors: Complex
  log: gauge.LogNorm
  pair: Callable[[Complex, Complex], Complex]
  form: Callable[[chex.Array], Complex]

  @property
  def num_directions(self) -> int:
    """n."""
    return self.log.mixed.re.shape[0]

  def low(self) -> chex.Array:
    """Rows of all features up to second order, (R, P, F), packed as in networks.jets22."""
    n, rows = self.num_directions, self.vectors.re.shape[0]
    d = range(1, 1 + n)
    forms = [*((a, a) for a in d), *itertools.combinations(d, 2)]
    left, right = np.array(
      [(0, 0), *((a, 0) for a in d), *forms, *((p, 0) for p in range(1 + n, rows))]
    ).T
    products = self.pair(self.vectors[left], self.vectors[right])
    return gauge.low_over_norm(products, self.log)

  def sums(self, weights: chex.Array) -> Complex:
    """d_i dbar_j of sums of features with weights (P, W, F) but for |z|: (A, A, P, W)."""
    form, re, im = self.form(weights), self.vectors.re, self.vectors.im
    # Complex numbers as real blocks: one real product instead of four.
    blocks = jnp.concatenate(
      [
        jnp.concatenate([form.re, form.im], axis=-1),
        jnp.concatenate([-form.im, form.re], axis=-1),
      ],
      axis=-2,
    )
    left = jnp.concatenate([re, im], axis=-1)
    right = jnp.stack([left, jnp.concatenate([-im, re], axis=-1)])
    half = _einsum("apk,pwkl->pawl", left, blocks)
    return Complex(*jnp.moveaxis(_einsum("pawl,cbpl->pcabw", half, right), 0, 3))


class Features(NamedTuple):
  """What a perceptron reads of its features at P points.

  Attributes:
    num_directions: n.
    low: (P, R, F), rows up to second order.
    high: w (P, W, F) -> rows of sums with these weights: third derivatives (R', P, W), and of the
      first sum fourth derivatives (R'', P).
  """

  num_directions: int
  low: chex.Array
  high: Callable[[chex.Array], tuple[chex.Array, chex.Array]]


def features(groups: Sequence[Products]) -> Features:
  """The features of several kinds, one after the other."""
  low = [group.low() for group in groups]
  ends = np.cumsum([rows.shape[-1] for rows in low])[:-1]

  def high(weights):
    parts = zip(groups, jnp.split(weights, ends, axis=-1), strict=True)
    sums = [(group.sums(w), group.log) for group, w in parts]
    third = sum(gauge.third_over_norm(s, log) for s, log in sums)
    first = lambda s: Complex(s.re[..., :1], s.im[..., :1])
    return third, sum(gauge.fourth_over_norm(first(s), log) for s, log in sums)[..., 0]

  rows = jnp.moveaxis(jnp.concatenate(low, axis=-1), 0, 1)
  return Features(groups[0].num_directions, rows, high)


def jet(group: Products) -> jets22.Jet22:
  """All rows of all features, (R, P, F)."""
  low = group.low()
  points, count = low.shape[1:]
  one = jnp.broadcast_to(jnp.eye(count, dtype=low.dtype), (points, count, count))
  sums = group.sums(one)
  high = gauge.third_over_norm(sums, group.log), gauge.fourth_over_norm(sums, group.log)
  return jets22.Jet22(jnp.concatenate([low, *high]))


def _einsum(equation, *arrays):
  return jnp.einsum(equation, *arrays, precision=jax.lax.Precision.HIGHEST)
