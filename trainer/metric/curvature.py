"""Curvature of the trained metric at points: what a certificate needs, beside Fubini-Study's own.

Riemann tensors come from the (2, 2) jet of the potential (trainer.curvature.tensors); of networks
that have none, from differences of g (trainer.curvature.differences).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from trainer.curvature import chern, contractions, differences, tensors
from trainer.curvature.potential import fubini_study_rows
from trainer.geometry import fubini_study
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import Ansatz
from trainer.metric.laplacians import laplacians, section_products
from trainer.points.batch import Batch


def values(
  variety: Variety, ansatz: Ansatz, params: Any, batch: Batch, num_laplacians: int
) -> dict[str, Any]:
  """Curvatures of the trained metric and of Fubini-Study at the same points.

  Args:
    variety: the manifold.
    ansatz: of the metric, with (2, 2) jets.
    params: its parameters.
    batch: points.
    num_laplacians: of how many functions, see trainer.metric.laplacians.

  Returns:
    "trained" and "fubini_study", each of

      determinant     (B,) det g
      scalar          (B,) R = g^{a bbar} Ric_{a bbar}
      ricci           (B,) |Ric|, |Ric|^2 = g^{a dbar} g^{c bbar} Ric_{a bbar} Ric_{c dbar}
      riemann_squared (B,) |Riem|^2, see trainer.curvature.contractions
      euler           (B,) density of c_n against d^{2n}x
      c2              (B, r), those of c_2 J_i .. J_j, see trainer.curvature.chern
      laplacians      (B, num_laplacians), see trainer.metric.laplacians

    and "omega" (B,), |Omega|^2; "x" (B, 2N), the points.
  """
  # Both metrics at once: their tensors are one program.
  start = fubini_study_rows(variety, batch.x, batch.pullback)
  rows = jnp.concatenate([ansatz.potential(params, batch), start], axis=1)
  return _of_both(variety, batch, num_laplacians, *tensors.components(rows))


def values_by_differences(
  variety: Variety, batch: Batch, frame: jax.Array, g: jax.Array, num_laplacians: int
) -> dict[str, Any]:
  """The same of a metric of which only values are known.

  Args:
    variety: the manifold.
    batch: points.
    frame: (B, n, n), of trainer.curvature.differences.neighbours.
    g: (B, 1 + 4 n^2, n, n) complex, the metric there.
    num_laplacians: as above.
  """
  at = differences.derivatives(variety, frame, g)
  start = tensors.components(fubini_study_rows(variety, batch.x, batch.pullback))
  trained = at.metric, differences.riemann(at)
  both = (jnp.concatenate(pair) for pair in zip(trained, start, strict=True))
  return _of_both(variety, batch, num_laplacians, *both)


def _of_both(variety, batch, num_laplacians, g, riemann):
  """`values`, from g and R of the trained metric at all points, then those of Fubini-Study."""
  points = batch.x.shape[0]
  z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
  factors = jax.vmap(fubini_study.factor_metrics, (None, 0, 0))(variety.ambient, z, batch.pullback)
  both = at_points(g, riemann, jnp.concatenate([factors, factors]))
  halves = [jax.tree.map(lambda a: a[part], both) for part in (slice(points), slice(points, None))]
  metrics = jnp.stack([half.pop("metric") for half in halves])
  for half in halves:
    del half["riemann"], half["ricci_tensor"]
  of_functions = jnp.zeros((points, 0))
  if num_laplacians:
    of_functions = laplacians(
      variety,
      section_products(variety),
      batch.x,
      batch.pullback,
      metrics,
      factors,
      num_laplacians,
    )
  trained, start = (
    half | {"laplacians": part}
    for half, part in zip(halves, jnp.split(of_functions, 2, axis=1), strict=True)
  )
  return {"trained": trained, "fubini_study": start, "omega": batch.omega, "x": batch.x}


def at_points(g: jax.Array, riemann: jax.Array, factors: jax.Array) -> dict[str, jax.Array]:
  """All curvatures of a metric at points.

  Args:
    g: (B, n, n) complex, [a, b] = g_{a bbar}.
    riemann: (B, n, n, n, n) complex, [a, b, c, d] = R_{a bbar c dbar}.
    factors: (B, m, n, n) complex, a form in each hyperplane class.

  Returns:
    As `values` has them, and "metric" (B, n, n), "riemann" (B, n, n, n, n), "ricci_tensor"
    (B, n, n) complex in local coordinates.
  """
  ricci = contractions.ricci(g, riemann)
  mixed = ricci @ jnp.swapaxes(contractions.inverse(g), -1, -2)  # Ric_{c dbar} g^{a dbar}
  square = jnp.trace(mixed @ mixed, axis1=-2, axis2=-1).real
  densities = chern.chern_densities(g, riemann, factors)
  return {
    "determinant": jnp.linalg.det(g).real,
    "scalar": jnp.trace(mixed, axis1=-2, axis2=-1).real,
    "ricci": jnp.sqrt(jnp.maximum(square, 0)),
    "riemann_squared": contractions.riemann_squared(g, riemann),
    "euler": densities.euler,
    "c2": densities.c2,
    "metric": g,
    "riemann": riemann,
    "ricci_tensor": ricci,
  }
