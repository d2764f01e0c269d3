"""The Weil-Petersson metric and the Yukawa coupling along a deformation of the polynomials.

Along Q_a + t P_a the variety moves by a vector field v normal to it, v(Q_a) = -P_a; pulled back to
the variety at t = 0, Omega changes by a closed form of two types,

  d/dt Omega = k Omega + mu . Omega,   mu^a_b = dv^a/dxbar^b,   k = div v - d/dt log det(dQ_elim),

and with averages <.> over the measure |Omega|^2

  G = -d dbar log integral |Omega|^2 = <tr(mu conj(mu))> - <|k|^2> + |<k>|^2,
  y = n! |<det(mu) Omega/conj(Omega)>| G^{-n/2}.

Both are cohomological: any smooth v gives the same values, no metric is needed, and for v the
Fubini-Study normal is taken. y is the normalised Yukawa coupling |kappa| e^K G^{-3/2} for n = 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry import patches
from trainer.geometry.polynomials import Polynomial, evaluate
from trainer.geometry.small import determinant, inverse
from trainer.geometry.variety import Variety
from trainer.sampling.points import Points

_CHUNK = 8192
# Slices that a standard error should rest on.
LEAST_SUPPORT = 200


class Moduli(NamedTuple):
  """G and y at a point of moduli space, with standard errors.

  A standard error is itself an estimate. It rests on (sum_c u_c^2)^2 / sum_c u_c^4 slices, u_c what
  slice c adds to the error: where these are few, a few points decide, others like them were
  missed, and value and error are both likely too small.
  """

  metric: float
  metric_stderr: float
  metric_support: float
  yukawa: float
  yukawa_stderr: float
  yukawa_support: float

  def trustworthy(self) -> bool:
    """Whether the standard errors rest on enough slices."""
    return min(self.metric_support, self.yukawa_support) >= LEAST_SUPPORT


class Deformation(NamedTuple):
  """What m deformations do at a point.

  Attributes:
    stretch: (m,) complex, k.
    mu: (m, n, n) complex, [i, b, a] = mu^a_b of deformation i.
    phase: () complex, Omega / conj(Omega) = conj(det(dQ_elim)) / det(dQ_elim).
  """

  stretch: jax.Array
  mu: jax.Array
  phase: jax.Array


def weil_petersson(
  variety: Variety,
  direction: tuple[Polynomial, ...],
  points: Points,
  points_per_slice: int,
) -> Moduli:
  """G and y by Monte Carlo.

  Args:
    variety: the variety.
    direction: (P_1, ..., P_K), the derivative of each polynomial by the complex parameter; one
      without terms where a polynomial does not change.
    points: B points, whole slices.
    points_per_slice: points that are correlated.

  Returns:
    Values with cluster-robust standard errors.
  """
  chex.assert_equal(len(points.weight) % points_per_slice, 0)
  parts = [
    point_sums(variety, direction, jax.tree.map(lambda a: a[i : i + _CHUNK], points))
    for i in range(0, len(points.z), _CHUNK)
  ]
  return estimate(slice_sums(np.concatenate(parts), points_per_slice), variety.dimension)


def point_sums(variety: Variety, direction: tuple[Polynomial, ...], points: Points) -> np.ndarray:
  """What G and y are made of, at each of B points: real rows (B, 6) whose sums are all it takes."""
  chex.assert_equal(len(direction), variety.codimension)
  found = _deform(variety, direction, points.z)
  stretch, mu = np.asarray(found.stretch)[:, 0], np.asarray(found.mu)[:, 0]
  square = np.sum(mu * mu.conj().swapaxes(1, 2), axis=(1, 2)).real
  volume = np.linalg.det(mu) * np.asarray(found.phase)
  rows = np.stack(
    [
      np.ones_like(square),
      square - abs(stretch) ** 2,
      stretch.real,
      stretch.imag,
      volume.real,
      volume.imag,
    ],
    axis=1,
  )
  return np.asarray(points.weight)[:, None] * rows


def slice_sums(rows: np.ndarray, points_per_slice: int) -> np.ndarray:
  """Sums of `point_sums` over slices, (C, 6)."""
  return np.sum(rows.reshape(-1, points_per_slice, rows.shape[1]), axis=1)


def estimate(sums: np.ndarray, dimension: int) -> Moduli:
  """G and y of a variety of complex dimension n from the sums of C independent slices, (C, 6)."""
  metric, yukawa = _values(np.sum(sums, axis=0), dimension)
  metric_terms, yukawa_terms = deviations(sums, np.sum(sums, axis=0), dimension)
  return Moduli(metric, *_spread(metric_terms), yukawa, *_spread(yukawa_terms))


def deviations(
  rows: np.ndarray, total: np.ndarray, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
  """What each row of sums adds to the errors of G and y, linearised at `total`: two arrays (C,)."""
  metric, yukawa = _values(total, dimension)
  k = (total[2] + 1j * total[3]) / total[0]
  coupling = (total[4] + 1j * total[5]) / total[0]
  terms = rows[:, 1] + 2 * (np.conj(k) * (rows[:, 2] + 1j * rows[:, 3])).real
  metric_terms = (terms - rows[:, 0] * (total[1] / total[0] + 2 * abs(k) ** 2)) / total[0]
  volume = (np.conj(coupling) * (rows[:, 4] + 1j * rows[:, 5])).real / abs(coupling) ** 2
  yukawa_terms = yukawa * ((volume - rows[:, 0]) / total[0] - dimension / 2 * metric_terms / metric)
  return metric_terms, yukawa_terms


def _values(total, n):
  k, coupling = (total[2] + 1j * total[3]) / total[0], (total[4] + 1j * total[5]) / total[0]
  metric = total[1] / total[0] + abs(k) ** 2
  return float(metric), float(math.factorial(n) * abs(coupling) * metric ** (-n / 2))


def _spread(terms):
  """The standard error of a sum of independent terms, and how many of them it rests on."""
  count, squares = len(terms), np.sum(terms**2)
  return (
    math.sqrt(count / (count - 1) * squares),
    float(squares**2 / max(np.sum(terms**4), 1e-300)),
  )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _deform(variety, direction, z):
  def at(z):
    chart = patches.choose_chart(variety, z)
    return deformations_at(variety, (direction,), z, chart, normal(variety, direction, chart))

  return jax.vmap(at)(z)


def normal(
  variety: Variety, direction: tuple[Polynomial, ...], chart: patches.Chart
) -> Callable[[jax.Array], jax.Array]:
  """z (N,) -> v (1, N), the Fubini-Study normal in affine coordinates of the patch."""
  patch = 1 - jnp.sum(chart.kept, axis=0) - jnp.sum(chart.eliminated, axis=0)

  def velocity(z):
    dq = patches.gradient(variety, z)
    raised = jnp.concatenate(
      [jnp.sum(jnp.abs(z[s]) ** 2) * dq[:, s].conj() for s in variety.factor_slices], axis=1
    )
    rate = jnp.stack([p(z) for p in direction])
    v = -raised.T @ (inverse(dq @ raised.T) @ rate)
    return jnp.concatenate([v[s] - z[s] * jnp.sum(patch[s] * v[s]) for s in variety.factor_slices])[
      None
    ]

  return velocity


def deformations_at(
  variety: Variety,
  directions: Sequence[tuple[Polynomial, ...]],
  z: jax.Array,
  chart: patches.Chart,
  velocity: Callable[[jax.Array], jax.Array],
) -> Deformation:
  """How m deformations change Omega at one point.

  Args:
    variety: the variety.
    directions: (P_1, ..., P_K) of each.
    z: (N,) complex, the constant coordinates of the chart 1.
    chart: local coordinates.
    velocity: z (N,) -> v (m, N) smooth, 0 in the constant coordinates, v(Q_a) = -P_a.
  """
  chex.assert_shape(z, (variety.num_coordinates,))
  pullback = patches.pullback(variety, z, chart)
  rates = [p.partial(i) for d in directions for p in d for i in range(variety.num_coordinates)]

  def minor(z, t):
    rate = jnp.asarray(evaluate(rates, z)).reshape(len(directions), variety.codimension, -1)
    dq = patches.gradient(variety, z) + jnp.tensordot(t, rate, 1)
    return determinant(dq @ chart.eliminated.T)

  v = velocity(z)
  along = jax.vmap(lambda u: jax.jvp(velocity, (z,), (u,))[1])
  real, imaginary = along(pullback), along(1j * pullback)
  # Axes: directions x^b, deformations, components v^a of the local coordinates.
  holomorphic = (real - 1j * imaginary) / 2 @ chart.kept.T
  mu = (real + 1j * imaginary) / 2 @ chart.kept.T
  start, one = jnp.zeros(len(directions), z.dtype), jnp.eye(len(directions), dtype=z.dtype)
  changes = jax.vmap(lambda v, t: jax.jvp(minor, (z, start), (v, t))[1])(v, one)
  value = minor(z, start)
  return Deformation(
    stretch=jnp.einsum("aia->i", holomorphic) - changes / value,
    mu=jnp.moveaxis(mu, 1, 0),
    phase=value.conj() / value,
  )
