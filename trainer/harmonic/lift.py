"""Horizontal lifts: how a deformation of the polynomials moves a variety with its Kaehler metric.

Along Q_a + t P_a let K(x, t) be the potential, a function of z near X, on the family. The lift of
d/dt that is orthogonal to the fibres in d dbar K, and that of K + t f,

  V_0 = d_t - g^{a cbar} K_{t cbar} d_a,   V_f = V_0 - g^{a cbar} (d_cbar f) d_a,

carry the Kaehler form along; mu^a_bbar = d_bbar V^a with its index lowered is symmetric, and

  k = div V - d/dt log det(dQ_elim) = - V(log eta).

If g is Ricci-flat, g^{b cbar} nabla_b mu^a_cbar = g^{a cbar} d_cbar k: mu is harmonic if and only
if k is constant, g^{a bbar} d_a d_bbar f = k(V_0) - <k>. Of any f, with means in |Omega|^2,
<|mu|_g^2> = <tr mu conj(mu)> = G + <|k - <k>|^2>, G the Weil-Petersson metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from networks import reverse
from trainer.curvature import contractions
from trainer.geometry import patches
from trainer.geometry.polynomials import Polynomial, evaluate
from trainer.geometry.small import inverse
from trainer.geometry.variety import Variety
from trainer.metric import laplacians, pointwise
from trainer.metric.pointwise import Metric
from trainer.moduli import weil_petersson
from trainer.quadrature.background import Rows
from trainer.quadrature.functions import Functions

Direction = tuple[Polynomial, ...]


class Lifts(NamedTuple):
  """What m deformations do at points.

  Attributes:
    stretch: (B, m) complex, k.
    mu: (B, m, n, n) complex, [i, b, a] = mu^a_bbar in the points' own coordinates.
    phase: (B,) complex, Omega / conj(Omega).
  """

  stretch: jax.Array
  mu: jax.Array
  phase: jax.Array


def at_rows(
  variety: Variety,
  metric: Metric,
  directions: Sequence[Direction],
  functions: Functions | None,
  params: Any,
  forms: jax.Array | None,
  rows: Rows,
) -> tuple[Lifts, Lifts]:
  """The lifts V_0 and V_f at points.

  Args:
    variety: the manifold.
    metric: that of its ansatz, with a potential.
    directions: m of them, (P_1, .., P_K) each.
    functions: what f are made of; None for f = 0, and then both are the same.
    params: of the metric.
    forms: (m, N_k, N_k) complex C, f = sum_AB conj(s_A) C_AB s_B / prod_i |z^(i)|^(2 k_i).
    rows: B points.
  """
  m = len(directions)

  def at(x):
    z = jax.lax.complex(*jnp.split(x, 2))
    chart = patches.choose_chart(variety, z)
    velocity = horizontal(variety, metric, params, directions, chart)
    both = velocity
    if functions is not None:
      turn = functools.partial(_slopes, functions, forms)
      both = lambda z: velocity(z, turn)
    twice = tuple(directions) * (1 if functions is None else 2)
    return weil_petersson.deformations_at(variety, twice, z, chart, both)

  with reverse.plain():
    k, mu, phase = jax.vmap(at)(rows.x)
  return Lifts(k[:, :m], mu[:, :m], phase), Lifts(k[:, -m:], mu[:, -m:], phase)


def horizontal(
  variety: Variety,
  metric: Metric,
  params: Any,
  directions: Sequence[Direction],
  chart: patches.Chart,
) -> Callable[..., jax.Array]:
  """z (N,) -> V_0 (m, N); (z, slopes) -> V_0, then V_f (2m, N), with slopes as in `_slopes`.

  d_t moves only the eliminated coordinates, by -(dQ_elim)^{-1} P: all deformations share the lifts
  of these K directions.
  """
  n, k = variety.dimension, variety.codimension
  flat = [p for direction in directions for p in direction]

  def velocity(z, slopes=None):
    pullback = patches.pullback(variety, z, chart)
    minor = patches.gradient(variety, z) @ chart.eliminated.T
    rate = jnp.asarray(evaluate(flat, z)).reshape(-1, k)
    shift = -rate @ inverse(minor).T
    along = jnp.concatenate([pullback, chart.eliminated.astype(pullback.dtype)])
    form = pointwise.metric_along(variety, metric, params, z, along)
    chex.assert_shape(form, (n + k, n + k))
    lowered = shift @ form[n:, :n]  # K_{t cbar}
    if slopes is not None:
      lowered = jnp.concatenate([lowered, lowered + slopes(z, pullback)])
      shift = jnp.concatenate([shift, shift])
    tangent = -lowered @ contractions.inverse(form[:n, :n]).T
    return shift @ chart.eliminated + tangent @ pullback

  return velocity


def _slopes(functions, forms, z, pullback):
  """d_cbar f (m, n) of functions f."""
  x = jnp.concatenate([z.real, z.imag])
  s = laplacians.horizontal_sections(functions.ambient, functions.basis, x[None], pullback[None])[0]
  return jnp.einsum("cA,rA->rc", s[1:].conj(), jnp.einsum("rAB,B->rA", forms, s[0]))
