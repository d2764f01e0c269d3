"""The closer look that a metric's certificate takes at held-out points."""

from collections.abc import Sequence

from trainer.geometry.symmetries import Symmetry
from trainer.geometry.variety import Variety
from trainer.metric import consistency, curvature, curvature_measures, laplacians
from trainer.metric.ansatz import Ansatz
from trainer.problem.problem import Findings, Look

# For each function whose Laplacian is a control of Chern numbers.
_SLICES_PER_FUNCTION = 32


def inspect(
  variety: Variety,
  ansatz: Ansatz,
  volume: float,
  points_per_slice: int,
  look: Look,
  symmetries: Sequence[Symmetry] = (),
) -> Findings:
  """Whether g is Kaehler and the same in every chart; its curvature if it has jets of type (2, 2).

  By nested differentiation, as other networks need, curvature compiles for longer than a run may
  take: `evaluate --curvature` has it.

  Args:
    variety: the manifold.
    ansatz: of the metric, of parameters params["network"].
    volume: Vol, exactly.
    points_per_slice: consecutive points that are one statistical unit.
    look: see trainer.metric.consistency.look_at.
    symmetries: that the user names.
  """
  seen = consistency.look_at(variety, volume, points_per_slice, look, symmetries)
  if ansatz.potential is None or ansatz.nested:
    return seen
  bent = of_curvature(variety, ansatz, volume, points_per_slice, look)
  extremes = {"extreme_points": bent.sections["extreme_points"] | seen.sections["extreme_points"]}
  return bent._replace(
    measures=bent.measures | seen.measures, sections=bent.sections | seen.sections | extremes
  )


def of_curvature(
  variety: Variety, ansatz: Ansatz, volume: float, points_per_slice: int, look: Look
) -> Findings:
  """Its part on curvature, of a metric with a potential; arguments as above."""
  slices = look.num_points // points_per_slice
  functions = min(laplacians.num_functions(variety), slices // _SLICES_PER_FUNCTION)

  def values(params, batch):
    return curvature.values(variety, ansatz, params["network"], batch, functions)

  found = curvature_measures.findings(variety, volume, points_per_slice, look.values(values))
  anywhere = look.function_anywhere(values)
  return found._replace(
    fields={"riemann_squared": lambda z: anywhere(z)["trained"]["riemann_squared"]}
  )
