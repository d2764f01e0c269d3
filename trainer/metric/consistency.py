"""Whether a metric is one at all: Kaehler, and the same whatever coordinates it is computed in.

And how far it is from having the symmetries that a user names. All of it is seen from values of the
metric at chosen points in chosen coordinates: nothing here is compiled but small geometry.
"""

from collections.abc import Callable, Sequence
import functools
import math
from typing import Any

import chex
import jax
import numpy as np

from trainer.curvature import contractions
from trainer.devices import compiling, parallel
from trainer.geometry import fubini_study, hermitian, local_coordinates, patches
from trainer.geometry.patches import Chart
from trainer.geometry.symmetries import Symmetry
from trainer.geometry.variety import Variety
from trainer.problem.problem import Findings, Look
from trainer.sampling.statistics import maximum, slice_numbers

# Held-out points that are looked at: with what is around them about one block of rows.
_POINTS = 64
# f' = sum_k c_k f(k h) / h, to fourth order.
_NODES = np.array([-2, -1, 1, 2])
_WEIGHTS = np.array([1, -8, 8, -1]) / 12


def look_at(
  variety: Variety,
  volume: float,
  points_per_slice: int,
  look: Look,
  symmetries: Sequence[Symmetry] = (),
) -> Findings:
  """`findings` of `errors` at the first held-out points.

  Args:
    variety: the manifold.
    volume: Vol.
    points_per_slice: see trainer.sampling.statistics.
    look: of a problem whose values hold "metric" (B, n * n), packed as in
      trainer.geometry.hermitian.
    symmetries: that the user names.
  """
  z, weight = look.points(min(look.num_points, _POINTS))

  def metric(z, charts):
    return np.asarray(hermitian.unpack(look.anywhere(z, charts)["metric"].T))

  values = errors(variety, volume, z, metric, symmetries)
  return findings(variety, volume, points_per_slice, values | {"weight": weight}, symmetries)


def errors(
  variety: Variety,
  volume: float,
  z: np.ndarray,
  metric: Callable[[np.ndarray, Chart], np.ndarray],
  symmetries: Sequence[Symmetry] = (),
) -> dict[str, np.ndarray]:
  """How far from Kaehler the metric is at points, and how far its values in two charts differ.

  - kaehler: |d_a g_{b cbar} - d_b g_{a cbar}| (trainer.curvature.contractions.torsion_length), an
    inverse length, by differences of fourth order along the chart's coordinates. First derivatives
    at a point see of the variety only its tangent space there, so z moves straight on.
  - cocycle: |g - T g' T^*| / |g|, g' the metric computed in the coordinates v of another patch
    with, in general, other coordinates eliminated, T_a^b = dv^b/du^a; lengths are those of g.
  - symmetry: the same for g' at the image of the point, v = v(image of u).

  Args:
    variety: the manifold.
    volume: Vol, which sets the steps of differences.
    z: (B, N) complex, points.
    metric: points (M, N) in any scaling, and their charts -> g_{a bbar} (M, n, n) complex.
    symmetries: S of them.

  Returns:
    "kaehler", "cocycle" (B,) real, "x" (B, 2N), the points, and "symmetry" (B, S) real if S > 0.
  """
  count, n = len(z), variety.dimension
  maps = tuple((s.matrix.tobytes(), s.conjugate) for s in symmetries)
  at = jax.tree.map(np.asarray, _geometry(variety, maps)(z))
  # Rounding over the step and the step's fourth power, in units of the radius of a sphere of this
  # size, lose the least.
  radius = volume ** (1 / (2 * n)) / math.sqrt(4 * math.pi)
  step = radius * float(np.finfo(parallel.widest_dtype()).eps) ** 0.2
  # On a curve every metric is Kaehler.
  moves = np.zeros((count, 0, 0, 0, z.shape[1])) if n == 1 else _moves(at["directions"], step)
  around = at["z"][:, None, None, None] + moves
  groups = [(at["z"], at["chart"]), (at["z"], at["other"]), (around, at["chart"])]
  groups += [(w, chart) for w, chart, _ in at["images"]]
  here, there, near, *images = _in_one(metric, groups)

  found = {
    "x": np.concatenate([at["z"].real, at["z"].imag], axis=1),
    "kaehler": np.zeros(count),
    "cocycle": _difference(here, there, at["to_other"]),
  }
  if n > 1:
    along = np.einsum("k,bickxy->bicxy", _WEIGHTS, near) / step
    slopes = 0.5 * (along[:, :, 0] - 1j * along[:, :, 1])
    slopes = np.einsum("bai,bixy->baxy", np.linalg.inv(at["frame"]), slopes)
    found["kaehler"] = np.asarray(contractions.torsion_length(here, slopes))
  if symmetries:
    pulled = [
      _difference(here, np.conj(g) if s.conjugate else g, np.conj(t) if s.conjugate else t)
      for s, g, (_, _, t) in zip(symmetries, images, at["images"], strict=True)
    ]
    found["symmetry"] = np.stack(pulled, axis=1)
  return found


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


@functools.lru_cache(maxsize=16)
def _geometry(variety, maps):
  """Charts at points z (B, N), and how tangent vectors look in them; few points, little to run."""

  def at(z):
    z = patches.normalise(variety, z)
    chart, other = patches.choose_chart(variety, z), patches.another_chart(variety, z)
    pullback = patches.pullback(variety, z, chart)
    frame = contractions.unitary_frame(fubini_study.metric(variety, z, pullback))
    images = []
    for matrix, conjugate in maps:
      matrix = np.frombuffer(matrix, complex).reshape(len(z), len(z))
      w, vectors = z @ matrix.T, pullback @ matrix.T
      w, vectors = (w.conj(), vectors.conj()) if conjugate else (w, vectors)
      there = patches.choose_chart(variety, patches.normalise(variety, w))
      images.append((w, there, local_coordinates.components(variety, there, w, vectors)))
    return {
      "z": z,
      "chart": chart,
      "other": other,
      "frame": frame,
      "directions": frame @ pullback,
      "to_other": local_coordinates.components(variety, other, z, pullback),
      "images": images,
    }

  return jax.jit(jax.vmap(at), compiler_options=compiling.optimisation(0))


def _moves(directions, step):
  """Small vectors (B, n, 2, 4, N) along directions (B, n, N) and i times these."""
  lengths = step * np.array([1, 1j])[:, None] * _NODES
  return directions[:, :, None, None] * lengths[..., None]


def _in_one(metric, groups):
  """The metric (B, *, n, n) at groups of points (B, *, N) in charts of the B, in one call."""
  points, charts = [], []
  for z, chart in groups:
    points.append(z.reshape(-1, z.shape[-1]))
    repeats = int(np.prod(z.shape[1:-1]))
    charts.append(jax.tree.map(lambda a: a.repeat(repeats, axis=0), chart))  # noqa: B023
  g = metric(np.concatenate(points), jax.tree.map(lambda *a: np.concatenate(a), *charts))
  ends = np.cumsum([len(z) for z in points])[:-1]
  parts = np.split(g, ends)
  return [part.reshape(*z.shape[:-1], *g.shape[1:]) for part, (z, _) in zip(parts, groups)]


def _difference(g, there, t):
  """|t g' t^* - g| / |g| at points, lengths those of g: |g|^2 = n."""
  e = np.asarray(contractions.unitary_frame(g))
  dagger = lambda a: np.swapaxes(a, -1, -2).conj()
  difference = e @ (t @ there @ dagger(t) - g) @ dagger(e)
  return np.sqrt(np.sum(np.abs(difference) ** 2, axis=(-2, -1)) / g.shape[-1])
