"""The closer look that a metric's certificate takes at held-out points."""

from collections.abc import Sequence

from trainer.geometry.symmetries import Symmetry
from trainer.geometry.variety import Variety
from trainer.metric import consistency, curvature, curvature_measures, laplacians
from trainer.metric.ansatz import Ansatz
from trainer.problem.problem import Findings, Look

# For each function whose Laplacian is a control of Chern numbers.
_SLICES_PER_FUNCTION = 32
# Held-out points of curvature by differences, which takes 37 values of g each on a threefold: one
# block of trainer.problem.evaluation.
_DIFFERENCED = 2048


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
  bent = of_curvature(variety, ansatz, volume, points_per_slice, look)
  extremes = {"extreme_points": bent.sections["extreme_points"] | seen.sections["extreme_points"]}
  return bent._replace(
    measures=bent.measures | seen.measures, sections=bent.sections | seen.sections | extremes
  )


def of_curvature(
  variety: Variety, ansatz: Ansatz, volume: float, points_per_slice: int, look: Look
) -> Findings:
  """Its part on curvature; arguments as above.

  Of a metric without (2, 2) jets it takes the first held-out points and draws no slice, which would
  take several times as many.
  """
  count = look.num_points
  if not ansatz.jet22:
    count = min(count, _DIFFERENCED // points_per_slice * points_per_slice)
  slices = count // points_per_slice
  functions = min(laplacians.num_functions(variety), slices // _SLICES_PER_FUNCTION)

  def values(params, batch):
    return curvature.values(variety, ansatz, params["network"], batch, functions)

  anywhere = look.function_anywhere(values)
  if not ansatz.jet22:
    z, weight = look.points(count)
    at_points = anywhere(z) | {"weight": weight}
    return curvature_measures.findings(variety, volume, points_per_slice, at_points)
  found = curvature_measures.findings(variety, volume, points_per_slice, look.values(values))
  return found._replace(
    fields={"riemann_squared": lambda z: anywhere(z)["trained"]["riemann_squared"]}
  )
