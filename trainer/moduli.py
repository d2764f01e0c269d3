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

import functools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry import patches
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.small import determinant, inverse
from trainer.geometry.variety import Variety
from trainer.sampling.points import Points

_CHUNK = 8192


class Moduli(NamedTuple):
  """G and y at a point of moduli space, with standard errors."""

  metric: float
  metric_stderr: float
  yukawa: float
  yukawa_stderr: float


class Deformation(NamedTuple):
  """What a deformation does at a point; shapes (...)."""

  stretch: jax.Array  # k, complex
  square: jax.Array  # tr(mu conj(mu)), real
  volume: jax.Array  # det(mu) Omega / conj(Omega), complex


def weil_petersson(
    variety: Variety, direction: tuple[Polynomial, ...], points: Points, points_per_slice: int,
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
  chex.assert_equal(len(direction), variety.codimension)
  chex.assert_equal(len(points.weight) % points_per_slice, 0)
  parts = [_deform(variety, direction, points.z[i:i + _CHUNK])
           for i in range(0, len(points.z), _CHUNK)]
  stretch, square, volume = (np.concatenate(part) for part in zip(*parts))
  weight = np.asarray(points.weight)
  mean = lambda values: np.sum(weight * values) / np.sum(weight)

  def standard_error(deviation):
    """Of a smooth function of means, from its linearisation at each point."""
    slices = np.sum((weight * deviation).reshape(-1, points_per_slice), axis=1)
    count = len(slices)
    return math.sqrt(count / (count - 1) * np.sum(slices ** 2)) / np.sum(weight)

  k, coupling, n = mean(stretch), mean(volume), variety.dimension
  terms = square - abs(stretch) ** 2 + 2 * (np.conj(k) * stretch).real
  metric = mean(terms) - abs(k) ** 2
  metric_deviation = terms - mean(terms)
  yukawa = math.factorial(n) * abs(coupling) * metric ** (-n / 2)
  yukawa_deviation = yukawa * (
      (np.conj(coupling) * volume).real / abs(coupling) ** 2 - 1
      - n / 2 * metric_deviation / metric)
  return Moduli(float(metric), standard_error(metric_deviation),
                float(yukawa), standard_error(yukawa_deviation))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _deform(variety, direction, z):
  return jax.vmap(functools.partial(deformation_at, variety, direction))(z)


def deformation_at(
    variety: Variety, direction: tuple[Polynomial, ...], z: jax.Array) -> Deformation:
  """How a deformation changes Omega at one point z (N,) complex, normalised."""
  chex.assert_shape(z, (variety.num_coordinates,))
  chart = patches.choose_chart(variety, z)
  patch = 1 - jnp.sum(chart.kept, axis=0) - jnp.sum(chart.eliminated, axis=0)
  pullback = patches.pullback(variety, z, chart)
  rates = [[p.partial(i) for i in range(variety.num_coordinates)] for p in direction]

  def velocity(z):
    """v in affine coordinates of the patch."""
    dq = patches.gradient(variety, z)
    raised = jnp.concatenate([
        jnp.sum(jnp.abs(z[s]) ** 2) * dq[:, s].conj() for s in variety.factor_slices], axis=1)
    rate = jnp.stack([p(z) for p in direction])
    normal = -raised.T @ (inverse(dq @ raised.T) @ rate)
    return jnp.concatenate([
        normal[s] - z[s] * jnp.sum(patch[s] * normal[s]) for s in variety.factor_slices])

  def minor(z, t):
    dq = patches.gradient(variety, z)
    rate = jnp.stack([jnp.stack([p(z) for p in row]) for row in rates])
    return determinant((dq + t * rate) @ chart.eliminated.T)

  v = velocity(z)
  along = jax.vmap(lambda u: jax.jvp(velocity, (z,), (u,))[1])
  real, imaginary = along(pullback), along(1j * pullback)
  # Rows are directions x^b, columns components v^a of the local coordinates.
  holomorphic = (real - 1j * imaginary) / 2 @ chart.kept.T
  mu = (real + 1j * imaginary) / 2 @ chart.kept.T
  value, change = jax.jvp(minor, (z, jnp.zeros((), z.dtype)), (v, jnp.ones((), z.dtype)))
  return Deformation(
      stretch=jnp.trace(holomorphic) - change / value,
      square=jnp.sum(mu * mu.T.conj()).real,
      volume=determinant(mu) * value.conj() / value)
