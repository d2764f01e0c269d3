"""Which degree, how many points, what it takes."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from networks.symmetry import Generators
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.quadrature import calibrate, of_run
from trainer.spectrum import group as groups
from trainer.spectrum import iterate
from trainer.spectrum.measure import MOST

# Points a function and in all, at least: with fewer the noise of M and S lowers the eigenvalues.
_POINTS_PER_FUNCTION, _FEWEST = 30, 50_000
# Seconds that a default spectrum takes at most, and more points of a degree that is named.
_BUDGET, _PATIENCE = 150.0, 330.0
# Seconds: of what does not depend on the size, and of a point.
_REST, _PER_POINT = 25.0, 6e-5
# Of the float32 rate of a product of matrices: what float64, float32 and elementwise operations do.
_WIDE, _SINGLE, _SLOW = 0.35, 0.6, 0.05
# Operations that a function takes at a point, in value or slope, but for products with others.
_PER_FEATURE = 60
# How often points go through products with M and S, where no matrix is made.
_ITERATIONS = 40
# Matrices of M's size that there are at one time, or blocks of eigenfunctions without a matrix.
_MATRICES, _FORMS = 12, 30


class Plan(NamedTuple):
  """What is computed.

  Attributes:
    degree: k of the functions.
    control_degree: k_c of those that weights are calibrated with; 0: plain weights.
    functions: N_k^2.
    points: how many.
    seconds: how long it takes, predicted.
    iterative: whether the functions are too many for matrices.
  """

  degree: int
  control_degree: int
  functions: int
  points: int
  seconds: float
  iterative: bool

  def __str__(self) -> str:
    weights = f"calibrated to degree {self.control_degree}" if self.control_degree else "plain"
    without = ", by LOBPCG without matrices of them" if self.iterative else ""
    return (
      f"spectrum among the {self.functions:,} functions of degree {self.degree}{without}, "
      f"{self.points:,} points, weights {weights}: about {self.seconds:.0f} s"
    )


def make(
  variety: Variety,
  degree: int | None,
  num_points: int | None,
  *,
  block: int,
  rate: float,
  memory: int,
  group: Generators | None = None,
) -> Plan:
  """Plans a spectrum.

  Weights are calibrated to twice the degree, with which integrals are as good as exact, or as near
  to it as time allows. Of several degrees that with the best weights is chosen, then the highest.

  Args:
    variety: the manifold.
    degree: of the functions; None: what time and memory allow.
    num_points: None: as many as the functions and the weights need.
    block: points come in multiples of it.
    rate: float32 operations a second, see trainer.devices.speed.
    memory: bytes of a device for results.
    group: that means are taken over.

  Raises:
    UserError: the degree is not positive, needs too much memory or more points.
  """
  order = 1 if group is None else groups.order(variety, group)
  phases = 1 if group is None else groups.num_phases(variety, group)
  case = _Case(variety, block, rate, order, phases)
  needs = lambda k: _bytes(case, _plan(case, k, 0, 1))
  patience = _BUDGET if degree is None else _PATIENCE
  if degree is None:
    degree = _chosen(case, num_points, lambda k: needs(k) <= memory)
  of_run.check_degree(degree, needs, memory)
  plan = _best(case, degree, num_points, patience)
  if plan.points < 4 * plan.functions / order:
    raise UserError(
      f"--points={num_points} are too few for {plan.functions:,} functions of degree {degree}: "
      f"give {_POINTS_PER_FUNCTION * plan.functions:,} or a lower degree"
    )
  return plan


class _Case(NamedTuple):
  variety: Variety
  block: int
  rate: float
  order: int
  phases: int

  def iterative(self, functions):
    return self.order == 1 and functions > iterate.LARGE


def _chosen(case, num_points, fits):
  """The degree with the best weights of all that time and memory allow, the highest of several."""
  best = 0, 1
  for degree in itertools.count(1):
    plan = _best(case, degree, num_points, _BUDGET)
    enough = plan.points * case.order >= _POINTS_PER_FUNCTION * plan.functions
    if degree > 1 and not (fits(degree) and enough and plan.seconds <= _BUDGET):
      return best[1]
    best = max(best, (plan.control_degree, degree))


def _best(case, degree, num_points, patience):
  """The plan of a degree with the best weights that time allows."""
  functions = calibrate.size_of(case.variety, degree) ** 2
  fewest = num_points or max(_FEWEST, _POINTS_PER_FUNCTION * functions // case.order)
  control_degree = calibrate.degree_for(case.variety, fewest // 2, 2 * degree, case.order)
  best = _plan(case, degree, control_degree, fewest)
  if num_points:
    return best
  for control_degree in range(best.control_degree + 1, 2 * degree + 1):
    controls = calibrate.size_of(case.variety, control_degree) ** 2
    points = 2 * calibrate.POINTS_PER_CONTROL * controls // case.order + 1
    better = _plan(case, degree, control_degree, points)
    if better.seconds > patience:
      break
    best = better
  return best


def _plan(case, degree, control_degree, points):
  functions = calibrate.size_of(case.variety, degree) ** 2
  points = -(-points // case.block) * case.block
  seconds = _REST + points * (_PER_POINT + _of_point(case, functions, control_degree))
  iterative = case.iterative(functions)
  if not iterative:
    seconds += 60 * functions**3 / case.phases**2 / (_WIDE * case.rate)
  return Plan(degree, control_degree, functions, points, seconds, iterative)


def _of_point(case, functions, control_degree):
  """Seconds."""
  n, controls = case.variety.dimension, 0
  if control_degree:
    controls = calibrate.size_of(case.variety, control_degree) ** 2 / case.order
  if case.iterative(functions):
    of_functions = 24 * _ITERATIONS * MOST * functions
  else:
    # Of whole matrices one half is made.
    of_entry = 1.2 if case.order == 1 else 2.8
    of_functions = (1 + 2 * n) * of_entry * _entries(functions, case.phases)
  wide = of_functions + 8 * (1 + n) * functions * MOST
  single = 1.2 * controls**2 + 4 * controls * MOST
  slow = _PER_FEATURE * ((1 + 2 * n) * functions + 3 * controls)
  return (wide / _WIDE + single / _SINGLE + slow / _SLOW) / case.rate


def _bytes(case, plan):
  if plan.iterative:
    return 8 * _FORMS * MOST * plan.functions
  return 8 * (_MATRICES * _entries(plan.functions, case.phases) + 6 * MOST * plan.functions)


def _entries(functions, phases):
  """Of M: blocks by charge have real and imaginary parts, and are not all of one size."""
  return functions**2 * min(1, 4 / phases)
