"""Curvature of the trained metric at points: what a certificate needs, beside Fubini-Study's own.

Everything comes from the (2, 2) jet of the potential (trainer.curvature.tensors): metrics without a
potential have no such values.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from trainer.curvature import chern, contractions, tensors
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
    ansatz: of the metric, with a potential.
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
  points = batch.x.shape[0]
  z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
  factors = jax.vmap(fubini_study.factor_metrics, (None, 0, 0))(variety.ambient, z, batch.pullback)
  # Both metrics at once: their tensors are one program.
  rows = jnp.concatenate(
    [ansatz.potential(params, batch), fubini_study_rows(variety, batch.x, batch.pullback)], axis=1
  )
  both = at_points(rows, jnp.concatenate([factors, factors]))
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


def at_points(rows: jax.Array, factors: jax.Array) -> dict[str, jax.Array]:
  """All curvatures of a potential at points.

  Args:
    rows: (R, B) real, its (2, 2) jet.
    factors: (B, m, n, n) complex, a form in each hyperplane class.

  Returns:
    As `values` has them, and "metric" (B, n, n), "riemann" (B, n, n, n, n), "ricci_tensor"
    (B, n, n) complex in local coordinates.
  """
  g, riemann = tensors.components(rows)
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
