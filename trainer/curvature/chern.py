"""Chern forms of a metric from its Riemann tensor, and their densities.

c(T) = det(1 + i Theta / 2 pi). Integrals of the densities over a compact manifold are topological,
whatever the metric: the Euler number, and c_2 . J_i as trainer.geometry.topology counts it. Most
of the time goes into memory: chunks that fit a cache, trainer.devices.microbatch, cost less.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from trainer.curvature import contractions, forms
from trainer.curvature.forms import Form


class Densities(NamedTuple):
  """Densities of Chern numbers against d^{2n}x.

  Attributes:
    euler: (...) real, c_n.
    c2: (..., r) real, c_2 J_i .. J_j over the r combinations i <= .. <= j of n - 2 classes, in the
      order of trainer.geometry.topology.c2: c_2 alone on surfaces, nothing (r = 0) on curves.
  """

  euler: jax.Array
  c2: jax.Array


def chern_forms(g: jax.Array, riemann: jax.Array) -> list[Form]:
  """c_1, .., c_n of the holomorphic tangent bundle, by Newton's identities.

  i Theta / 2 pi = (i/2) T^k_a[c, d] dx^c ^ dxbar^d with T^k_a[c, d] = g^{k bbar} R_{a bbar c dbar}
  / pi; and with p_i = tr T^i, k c_k = sum_{i=1}^{k} (-1)^{i-1} c_{k-i} p_i.

  Args:
    g: (..., n, n) complex.
    riemann: (..., n, n, n, n) complex, of any Hermitian metric (its Chern connection).

  Returns:
    n forms of degrees 1 to n, their points on trailing axes. A product with others of total degree
    n has a density: (c[0] * c[1]).density() is that of c_1 c_2 on a threefold.
  """
  contractions.check(g, riemann)
  n = g.shape[-1]
  raised = jnp.moveaxis(contractions.inverse(g), (-2, -1), (0, 1))  # [k, b]
  riemann = jnp.moveaxis(riemann, (-4, -3, -2, -1), (2, 3, 0, 1))  # [c, d, a, b]
  curvature = sum(raised[:, None, b] * riemann[:, :, None, :, b] for b in range(n)) / math.pi
  power = [Form(n, 1, curvature)]  # [c, d, k, a]
  for _ in range(1, (n + 1) // 2):
    power.append(_product(power[-1], power[0]))
  # Traces of products of two: the highest powers themselves are never needed.
  sums = [_trace(power[0])] + [_pairing(power[(i - 1) // 2], power[i // 2]) for i in range(1, n)]
  chern = []
  for k in range(1, n + 1):
    total = sums[k - 1] * (-1.0) ** (k - 1)
    for i in range(1, k):
      total = total + chern[k - i - 1] * sums[i - 1] * (-1.0) ** (i - 1)
    chern.append(total * (1 / k))
  return chern


def euler_density(g: jax.Array, riemann: jax.Array) -> jax.Array:
  """The density of c_n against d^{2n}x, whose integral is the Euler number.

  Args:
    g: (..., n, n) complex.
    riemann: (..., n, n, n, n) complex.

  Returns:
    (...) real.
  """
  return chern_forms(g, riemann)[-1].density()


def chern_densities(g: jax.Array, riemann: jax.Array, classes: jax.Array) -> Densities:
  """The densities of c_n and of c_2 J_i .. J_j.

  For n = 3, with [A, B, C] = sum_pq sgn p sgn q A_{p1 q1} B_{p2 q2} C_{p3 q3} and t = tr T,
  c_3 = ([t, t, t] - 3 [t, tr T T] + 2 [tr T T T]) / 6, c_2 J_i = ([t, t, J] - [tr T T, J]) / 2.

  Args:
    g: (..., n, n) complex.
    riemann: (..., n, n, n, n) complex.
    classes: (..., m, n, n) complex, h of a closed form (i/2) h_{a bbar} dx^a ^ dxbar^b in each
      class J_i: trainer.geometry.fubini_study.factor_metrics for the hyperplane classes.

  Returns:
    Densities (...) and (..., r).
  """
  contractions.check(g, riemann)
  n, m = g.shape[-1], classes.shape[-3]
  chex.assert_shape(classes, (*g.shape[:-2], m, n, n))
  chern = chern_forms(g, riemann)
  hyperplanes = [forms.from_matrix(classes[..., i, :, :]) for i in range(m)]
  c2 = []
  if n > 1:
    for index in itertools.combinations_with_replacement(hyperplanes, n - 2):
      c2.append(functools.reduce(lambda form, h: form * h, index, chern[1]).density())
  euler = chern[-1].density()
  return Densities(euler, jnp.stack(c2, -1) if c2 else jnp.zeros((*euler.shape, 0), euler.dtype))


def _product(u, v):
  """(u v)^k_a = u^k_b ^ v^b_a, components [C, D, k, a, ...]."""
  at = lambda form, *index: Form(form.dimension, form.degree, form.components[:, :, *index])
  every = slice(None)
  terms = [at(u, every, b, None) * at(v, None, b, every) for b in range(u.components.shape[2])]
  return functools.reduce(lambda x, y: x + y, terms)


def _trace(u):
  n = u.dimension
  return Form(n, u.degree, sum(u.components[:, :, a, a] for a in range(n)))


def _pairing(u, v):
  """tr(u v) = sum_ab u^a_b ^ v^b_a."""
  product = u * Form(v.dimension, v.degree, jnp.swapaxes(v.components, 2, 3))
  return Form(product.dimension, product.degree, jnp.sum(product.components, axis=(2, 3)))
