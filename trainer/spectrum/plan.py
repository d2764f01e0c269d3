"""Which degree, how many points, what it takes."""

from __future__ import annotations

from typing import NamedTuple

from networks.symmetry import Generators
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.quadrature import calibrate
from trainer.spectrum import group as groups
from trainer.spectrum.measure import MOST

# Points a function and in all, at least: with fewer the noise of M and S lowers the eigenvalues.
_POINTS_PER_FUNCTION, _FEWEST = 30, 50_000
# Of the float32 rate of a product of matrices.
_EFFICIENCY = 0.25
# Seconds: of a default spectrum, and of what does not depend on its size.
_BUDGET, _REST = 100.0, 30.0
# Operations that a function takes at a point, in value or slope, but for products with others.
_PER_FEATURE = 100
# Matrices of M's size that there are at one time.
_MATRICES = 12


class Plan(NamedTuple):
  """What is computed.

  Attributes:
    degree: k of the functions.
    control_degree: k_c of those that weights are calibrated with; 0: plain weights.
    functions: N_k^2.
    points: how many.
    seconds: how long it takes, predicted.
  """

  degree: int
  control_degree: int
  functions: int
  points: int
  seconds: float

  def __str__(self) -> str:
    weights = f"calibrated to degree {self.control_degree}" if self.control_degree else "plain"
    return (
      f"spectrum among the {self.functions:,} functions of degree {self.degree}, "
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

  Args:
    variety: the manifold.
    degree: of the functions; None: the highest that time and memory allow.
    num_points: None: as many as the degree needs.
    block: points come in multiples of it.
    rate: float32 operations a second, see trainer.devices.speed.
    memory: bytes of a device for results.
    group: that means are taken over.

  Raises:
    UserError: the degree is not positive, needs too much memory or more points.
  """
  order = 1 if group is None else groups.order(variety, group)
  phases = 1 if group is None else groups.num_phases(variety, group)
  of_degree = lambda k: _plan(variety, k, num_points, block, rate, order, phases)
  needs = lambda k: _bytes(of_degree(k).functions, phases)
  fits = lambda k: needs(k) <= memory
  if degree is None:
    degree = 1
    while fits(degree + 1) and of_degree(degree + 1).seconds <= _BUDGET:
      degree += 1
  if degree < 1:
    raise UserError(f"--degree={degree} must be at least 1")
  if not fits(degree):
    best = max((k for k in range(1, degree) if fits(k)), default=0)
    raise UserError(
      f"--degree={degree} needs about {needs(degree) / 2**30:,.1f} GiB a device, "
      f"more than the {memory / 2**30:,.1f} of --memory_mib: "
      + (f"--degree={best} fits" if best else "no degree fits")
    )
  plan = of_degree(degree)
  if plan.points < 4 * plan.functions / order:
    raise UserError(
      f"--points={num_points} are too few for {plan.functions:,} functions of degree {degree}: "
      f"give {_POINTS_PER_FUNCTION * plan.functions:,} or a lower degree"
    )
  return plan


def _plan(variety, degree, num_points, block, rate, order, phases):
  functions = calibrate.size_of(variety, degree) ** 2
  points = num_points or max(_FEWEST, _POINTS_PER_FUNCTION * functions // order)
  points = -(-points // block) * block
  control_degree = calibrate.degree_for(variety, points // 2, 2 * degree, order)
  controls = calibrate.size_of(variety, control_degree) ** 2 / order if control_degree else 0
  n = variety.dimension
  per_point = (1 + 2 * n) * (2 * _entries(functions, phases) + _PER_FEATURE * functions)
  per_point += 4 * controls**2 + 8 * (1 + n) * functions * MOST
  flops = points * per_point + 60 * functions**3 / phases**2
  return Plan(degree, control_degree, functions, points, flops / (_EFFICIENCY * rate) + _REST)


def _bytes(functions, phases):
  return 8 * (_MATRICES * _entries(functions, phases) + 6 * MOST * functions)


def _entries(functions, phases):
  """Of M: blocks by charge have real and imaginary parts, and are not all of one size."""
  return functions**2 * min(1, 4 / phases)
