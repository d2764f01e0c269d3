"""The closer looks that a metric's certificate takes at held-out points."""

from collections.abc import Sequence

from trainer.geometry.symmetries import Symmetry
from trainer.geometry.variety import Variety
from trainer.metric import consistency, curvature, curvature_measures, laplacians
from trainer.metric.ansatz import Ansatz
from trainer.problem.problem import Inspection

# Held-out points on which is seen whether a metric is one at all.
_CONSISTENCY_POINTS = 256
# Of those where curvature takes nested differentiation: it costs milliseconds a point.
_NESTED_POINTS = 2000
# For each function whose Laplacian is a control of Chern numbers.
_SLICES_PER_FUNCTION = 32


def inspections(
  variety: Variety,
  ansatz: Ansatz,
  volume: float,
  points_per_slice: int,
  num_points: int,
  symmetries: Sequence[Symmetry] = (),
) -> list[Inspection]:
  """Whether g is Kaehler and the same in every chart; its curvature if it has a potential.

  Args:
    variety: the manifold.
    ansatz: of the metric, of parameters params["network"].
    volume: Vol, exactly.
    points_per_slice: consecutive points that are one statistical unit.
    num_points: of the certificate.
    symmetries: that the user names.
  """
  known = variety, volume, points_per_slice
  looks = [
    Inspection(
      min(num_points, _CONSISTENCY_POINTS),
      lambda params, batch: consistency.errors(
        variety, ansatz, params["network"], batch, symmetries
      ),
      lambda values: consistency.findings(*known, values, symmetries),
    )
  ]
  if ansatz.potential is None:
    return looks
  points = min(num_points, _NESTED_POINTS) if ansatz.nested else num_points
  slices = points // points_per_slice
  functions = min(laplacians.num_functions(variety), slices // _SLICES_PER_FUNCTION)
  of_curvature = Inspection(
    points,
    lambda params, batch: curvature.values(variety, ansatz, params["network"], batch, functions),
    lambda values: curvature_measures.findings(*known, values),
  )
  return [of_curvature, *looks]
