"""The (2, 2) jet of the potential K_FS + phi at points of a variety, on either path."""

from __future__ import annotations

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp

from networks import index_maps, jets22
from trainer.curvature import fubini_study, local, wirtinger
from trainer.geometry.variety import Variety


def coordinate_jet(
  variety: Variety, x: jax.Array, pullback: jax.Array, complement: jax.Array | None = None
) -> jets22.Jet22:
  """The jet of the coordinates [Re z, Im z] at points.

  Args:
    variety: the variety.
    x: (B, 2N) real points.
    pullback: (B, n, N) complex, dz^i/dx^a.
    complement: (B, K, N) real or complex, the directions of the second derivatives, see
      trainer.curvature.local. The normal ones if it is left out: tensors do not depend on it, and
      the connection belongs to no chart; with the rows `eliminated` of the chart of `pullback`
      (trainer.geometry.patches) it is that of the chart.

  Returns:
    Jet22 of shape (B, 2N).
  """
  return jets22.from_coordinates(x, pullback, _second(variety, x, pullback, complement))


def fubini_study_rows(
  variety: Variety, x: jax.Array, pullback: jax.Array, complement: jax.Array | None = None
) -> jax.Array:
  """The jet of K_FS: `potential_rows` for phi = 0."""
  return fubini_study.potential_rows(variety, coordinate_jet(variety, x, pullback, complement))


def potential_rows(
  variety: Variety,
  phi: Callable,
  x: jax.Array,
  pullback: jax.Array,
  path: str,
  complement: jax.Array | None = None,
) -> jax.Array:
  """The jet of K_FS + phi, from which trainer.curvature.tensors makes every curvature.

  Args:
    variety: the variety.
    phi: network applied to parameters; on path "jets" it maps a Jet22 (B, 2N) to one of shape (B,),
      on path "general" it maps one point (2N,) to a real scalar.
    x: (B, 2N) real points.
    pullback: (B, n, N) complex, dz^i/dx^a.
    path: "jets" or "general", as in trainer.metric.ansatz.
    complement: (B, K, N), see `coordinate_jet`.

  Returns:
    (R, B) real rows, packed as in networks.jets22. The value and the derivatives of pure type are
    those of phi alone, or zero; no curvature reads them.
  """
  jet = coordinate_jet(variety, x, pullback, complement)
  rows = fubini_study.potential_rows(variety, jet)
  if path == "jets":
    return rows + phi(jet).rows
  second = _second(variety, x, pullback, complement)
  nested = jax.vmap(lambda *point: _nested(phi, *point), out_axes=1)(x, pullback, second)
  return rows + nested


def _second(variety, x, pullback, complement):
  size = variety.num_coordinates
  chex.assert_shape(x, (None, 2 * size))
  chex.assert_shape(pullback, (x.shape[0], variety.dimension, size))
  z = jax.lax.complex(*jnp.split(x, 2, axis=1))
  if complement is None:
    complement = jax.vmap(functools.partial(local.normal_complement, variety))(z)
  chex.assert_shape(complement, (x.shape[0], variety.codimension, size))
  return jax.vmap(functools.partial(local.second_derivatives, variety))(z, pullback, complement)


def _nested(phi, x, pullback, second):
  n = pullback.shape[0]
  pairs = index_maps.symmetric_pairs(n)

  def along(u):
    w = jax.lax.complex(u[:n], u[n:])
    quadratic = jnp.stack([(0.5 if a == c else 1.0) * w[a] * w[c] for a, c in pairs])
    dz = w @ pullback + quadratic @ second
    return phi(x + jnp.concatenate([dz.real, dz.imag]))

  return wirtinger.mixed_rows(along, n, x.dtype)
