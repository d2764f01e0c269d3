"""Whether a metric is one at all: Kaehler, and the same whatever coordinates it is computed in.

And how far it is from having the symmetries that a user names.
"""

from collections.abc import Callable, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.curvature import autodiff, contractions
from trainer.geometry import local_coordinates, patches
from trainer.geometry.symmetries import Symmetry
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import Ansatz
from trainer.metric.pointwise import metric_in_chart
from trainer.points.batch import Batch
from trainer.problem.problem import Findings
from trainer.sampling.statistics import maximum, slice_numbers


def errors(
  variety: Variety, ansatz: Ansatz, params: Any, batch: Batch, symmetries: Sequence[Symmetry] = ()
) -> dict[str, jax.Array]:
  """How far from Kaehler the metric is at points, and how far its values in two charts differ.

  - kaehler: |d_a g_{b cbar} - d_b g_{a cbar}| (trainer.curvature.autodiff.kaehler_error), an
    inverse length. First derivatives at a point see of the variety only its tangent space there.
  - cocycle: |g - T g' T^*| / |g|, g' the metric computed in the coordinates v of another patch
    with, in general, other coordinates eliminated, T_a^b = dv^b/du^a; lengths are those of g.
  - symmetry: the same for g' at the image of the point, v = v(image of u).

  Args:
    variety: the manifold.
    ansatz: of the metric.
    params: its parameters.
    batch: points, its weights and kept fields unread.
    symmetries: S of them.

  Returns:
    "kaehler", "cocycle" (B,) real, "x" (B, 2N), the points, and "symmetry" (B, S) real if S > 0.
  """
  matrices = jnp.array([s.matrix for s in symmetries]).astype(batch.pullback.dtype)
  conjugate = jnp.array([s.conjugate for s in symmetries], bool)

  def point(x, pullback):
    z = jax.lax.complex(*jnp.split(x, 2))
    chart = patches.choose_chart(variety, z)
    n = variety.dimension

    def along(u):
      at = z + jax.lax.complex(u[:n], u[n:]) @ pullback
      return metric_in_chart(variety, ansatz, params, at, chart)

    def difference(w, vectors, other, conjugate=False):
      """From g of the metric at w, the image of z, on the images of the local directions."""
      there = metric_in_chart(
        variety, ansatz, params, local_coordinates.scaled(variety, other, w), other
      )
      t = local_coordinates.components(variety, other, w, vectors)
      pulled = t @ there @ t.conj().T
      return _relative(g, jnp.where(conjugate, pulled.conj(), pulled))

    def through(matrix, conjugate):
      image = lambda a: jnp.where(conjugate, (a @ matrix.T).conj(), a @ matrix.T)
      w = image(z)
      return difference(w, image(pullback), patches.choose_chart(variety, w), conjugate)

    origin = jnp.zeros(2 * n, x.dtype)
    g = along(origin)
    found = {
      "x": x,
      "kaehler": autodiff.kaehler_error(along)(origin),
      "cocycle": difference(z, pullback, patches.another_chart(variety, z)),
    }
    if symmetries:
      found["symmetry"] = jax.vmap(through)(matrices, conjugate)
    return found

  return jax.vmap(point)(batch.x, batch.pullback)


def findings(
  variety: Variety,
  volume: float,
  points_per_slice: int,
  values: dict[str, np.ndarray],
  symmetries: Sequence[Symmetry] = (),
) -> Findings:
  """The largest errors, and where they are.

  Args:
    variety: the manifold.
    volume: Vol; kaehler_error is in units of Vol^(-1 / 2n).
    points_per_slice: see trainer.sampling.statistics.
    values: `errors` and "weight" at points.
    symmetries: those of `errors`.

  Returns:
    kaehler_error, cocycle_error and, if there are symmetries, symmetry_error, largest over the
    points (standard errors as in trainer.sampling.statistics.maximum); sections "extreme_points"
    and "symmetries", {name: {"value", "stderr"}} of each.
  """
  kept = values["weight"] > 0
  slices = slice_numbers(kept, points_per_slice)
  x = values["x"][kept]
  chex.assert_rank([values["kaehler"], values["cocycle"], x], [1, 1, 2])
  length = volume ** (1 / (2 * variety.dimension))
  fields = {"kaehler_error": length * values["kaehler"][kept]}
  fields["cocycle_error"] = values["cocycle"][kept]
  sections = {"extreme_points": {}}
  if symmetries:
    symmetry = values["symmetry"][kept]
    chex.assert_shape(symmetry, (len(x), len(symmetries)))
    fields["symmetry_error"] = np.max(symmetry, axis=1)
    sections["symmetries"] = {
      s.name: maximum(error, slices)._asdict() for s, error in zip(symmetries, symmetry.T)
    }
  for name, field in fields.items():
    sections["extreme_points"] |= extreme_point(name, field, x)
  return Findings({n: maximum(field, slices) for n, field in fields.items()}, sections=sections)


def extreme_point(
  name: str, field: np.ndarray, x: np.ndarray, which: Callable[[np.ndarray], int] = np.nanargmax
) -> dict[str, Any]:
  """Where a field is extreme: {name: {"value", "z": [[Re, Im], ..]}}; {} where it has no numbers.

  Args:
    name: of the entry.
    field: (B,).
    x: (B, 2N), the points.
    which: numpy.nanargmax or numpy.nanargmin.
  """
  chex.assert_shape(field, x.shape[:1])
  finite = np.where(np.isfinite(field), field, np.nan)
  if np.isnan(finite).all():
    return {}
  row = which(finite)
  z = x[row].reshape(2, -1).T
  return {name: {"value": float(field[row]), "z": z.round(12).tolist()}}


def _relative(g, other):
  """|other - g| / |g|, lengths those of g: |g|^2 = n."""
  e = contractions.unitary_frame(g)
  difference = e @ (other - g) @ e.conj().T
  return jnp.sqrt(jnp.sum(difference.real**2 + difference.imag**2) / len(g))
