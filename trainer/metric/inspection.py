"""The closer look that a metric's certificate takes at held-out points."""

from collections.abc import Sequence
import functools

import jax
import numpy as np

from trainer.curvature import differences
from trainer.devices import compiling
from trainer.geometry import hermitian
from trainer.geometry.symmetries import Symmetry
from trainer.geometry.variety import Variety
from trainer.metric import consistency, curvature, curvature_measures, laplacians
from trainer.metric.ansatz import Ansatz
from trainer.points import batch as batches
from trainer.problem.problem import Findings, Look

# For each function whose Laplacian is a control of Chern numbers.
_SLICES_PER_FUNCTION = 32
# Values of g from which curvature by differences is made: 1,081 points of a threefold.
_VALUES = 40_000


def inspect(
  variety: Variety,
  ansatz: Ansatz,
  volume: float,
  points_per_slice: int,
  look: Look,
  symmetries: Sequence[Symmetry] = (),
) -> Findings:
  """Whether g is Kaehler and the same in every chart, and its curvature.

  Args:
    variety: the manifold.
    ansatz: of the metric, of parameters params["network"].
    volume: Vol, exactly.
    points_per_slice: consecutive points that are one statistical unit.
    look: see trainer.metric.consistency.look_at.
    symmetries: that the user names.
  """
  seen = consistency.look_at(variety, volume, points_per_slice, look, symmetries)
  if ansatz.jet22:
    bent = by_jets(variety, ansatz, volume, points_per_slice, look)
  else:
    bent = by_differences(variety, volume, points_per_slice, look)
  extremes = {"extreme_points": bent.sections["extreme_points"] | seen.sections["extreme_points"]}
  return bent._replace(
    measures=bent.measures | seen.measures, sections=bent.sections | seen.sections | extremes
  )


def by_jets(
  variety: Variety, ansatz: Ansatz, volume: float, points_per_slice: int, look: Look
) -> Findings:
  """Its part on curvature of a network with (2, 2) jets, at all held-out points."""
  functions = _num_functions(variety, look.num_points // points_per_slice)

  def values(params, batch):
    return curvature.values(variety, ansatz, params["network"], batch, functions)

  found = curvature_measures.findings(variety, volume, points_per_slice, look.values(values))
  anywhere = look.function_anywhere(values)
  return found._replace(
    fields={"riemann_squared": lambda z: anywhere(z)["trained"]["riemann_squared"]}
  )


def by_differences(variety: Variety, volume: float, points_per_slice: int, look: Look) -> Findings:
  """The same of any other network, at the first held-out points.

  Nested to fourth order they compile for longer than a run may take; here nothing of the network is
  compiled. No slice is drawn: that would take ten times as many points.
  """
  most = _VALUES // (1 + 4 * variety.dimension**2) // points_per_slice * points_per_slice
  z, weight = look.points(min(look.num_points, most))
  around = jax.tree.map(np.asarray, _neighbours(variety, z))
  g = hermitian.unpack(look.anywhere(*differences.in_one(around))["metric"].T)
  g = np.asarray(g).reshape(*around.z.shape[:2], *g.shape[1:])
  functions = _num_functions(variety, len(z) // points_per_slice)
  values = jax.tree.map(np.asarray, _values(variety, functions, around.z[:, 0], around.frame, g))
  return curvature_measures.findings(variety, volume, points_per_slice, values | {"weight": weight})


def _num_functions(variety, slices):
  return min(laplacians.num_functions(variety), slices // _SLICES_PER_FUNCTION)


@functools.partial(jax.jit, static_argnums=0)
def _neighbours(variety, z):
  return differences.neighbours(variety, z)


def _values(variety, functions, z, frame, g):
  """trainer.metric.curvature.values_by_differences, in a program for few points."""

  def at(z, frame, g):
    batch = batches.prepare(variety, z, np.ones(len(z)))
    return curvature.values_by_differences(variety, batch, frame, g, functions)

  return jax.jit(at, compiler_options=compiling.optimisation(0))(z, frame, g)
