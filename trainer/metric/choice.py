"""Chooses a network, degrees and numbers of points for a manifold, a machine and a time.

Few monomials: a network of their products. Any others: algebraic metrics of the highest degree
whose least squares the time allows with enough equations an unknown, of which a point has 1 + 2n.
One degree more lowers sigma by a factor of two to three, ten equations an unknown instead of one by
less than two, and costs more.
"""

import time
from typing import NamedTuple

import jax
import ml_collections

from trainer.devices import speed
from trainer.geometry import kaehler_class, sections
from trainer.geometry.description import make_variety
from trainer.geometry.variety import Variety
from trainer.metric.losses import make_loss, monge_ampere
from trainer.points.concentration import make_sampler
from trainer.problem.registry import Choice

# Of the rate of a matrix product in a burst, in products with J for minutes (23 runs: 0.4 to 1.2);
# what small matrices at a point come to.
_EFFICIENCY, _SMALL = 0.8, 160
# J is rounded to bfloat16 where products are this much faster: steps find the same metrics.
_FASTER = 1.2
# How many times longer an iteration takes whose rows of J are made anew: memory is too small.
_RECOMPUTED = 4
# Seconds: compiling each phase and the certificate; all else of a run that does not depend on size.
_PHASE, _CERTIFICATE, _REST = 12.0, 30.0, 15.0
# Points that a certificate evaluates g at, and curvature, in held-out points: search and pictures,
# too. Rows of sections and what is made of them, of the rate of a matrix product.
_VALUES, _CURVATURES, _ROWS_EFFICIENCY = 8.0, 1.25, 0.4
_NETWORK = "monomial_mlp(widths=({0}, {0}, {0}))"
_ROUNDING = 1e-9
# Equations an unknown: fewer are not worth a degree, more are not worth their time; those of the
# first batch of a metric that starts from a lower one.
_FEWEST, _MOST, _FIRST = 1.5, 10.0, 0.3
# The fewest points of a run, and as many held-out ones at most for so many seconds.
_POINTS, _HELDOUT, _SHORT = 5_000, 10_000, 400.0
# The part of the budget that training may take in any case.
_TRAINING = 0.3
# Iterations of conjugate gradients on the first batch, on lower rungs, on the last batch of metrics
# that start from a lower one, exactly or not, and of others, which several terms make ill
# conditioned; how many such steps; what preparing and trying a step costs in iterations.
_EARLY, _RUNG, _EXACT, _LIFTED, _ALONE, _STEP = 8, 25, 14, 16, 100, 6
_STEPS_EXACT, _STEPS_LIFTED, _STEPS_ALONE = 1, 2, 2
# From so many unknowns on an algebraic metric starts from one of half its degree.
_LADDER = 5_000


class _Plan(NamedTuple):
  """An algebraic metric, its ladder and points, and the seconds all of it takes."""

  degrees: tuple[int, ...]
  unknowns: int
  points: int
  seconds: float

  @property
  def exact(self) -> bool:
    """Whether the last degree starts from exactly the metric of half of it."""
    return len(self.degrees) > 1 and self.degrees[-1] == 2 * self.degrees[-2]

  @property
  def iterations(self) -> int:
    """Of conjugate gradients on the last batch."""
    return _ALONE if len(self.degrees) == 1 else _EXACT if self.exact else _LIFTED


def choose(config: ml_collections.ConfigDict, memory: int) -> Choice:
  """Chooses for config.network = "auto" what config.budget_seconds allow on this machine.

  Args:
    config: its fields variety, data, steps, loss and budget_seconds are read.
    memory: bytes of a device for intermediate results.

  Returns:
    The fields that are chosen, with a reason and the predicted time.
  """
  variety = make_variety(config)
  budget = config.budget_seconds
  if config.steps or make_loss(**config.loss)[0] is not monge_ampere:
    network = "phi_mlp(widths=(64, 64, 64), activation='tanh')"
    return Choice({"network": network}, "first-order steps train any network", budget)
  if _is_sparse(variety):
    return _network(variety, budget)
  devices = jax.device_count()
  machine = speed.measure(devices)
  points_per_second = _sampling_rate(variety, config.data.concentration)
  plans = [
    _plan(variety, degree, config, machine, points_per_second, memory * devices)
    for degree in _degrees(variety)
  ]
  # Where time is short for any, as on a busy machine, the least there is.
  plan = ([plan for plan in plans if plan.seconds <= budget] or plans[:1])[-1]
  *lower, degree = plan.degrees
  reason = (
    f"dense polynomials: {plan.unknowns:,} unknowns, {plan.points:,} points, "
    f"{_products(machine) / 1e9:,.0f} GFLOP/s, {points_per_second:,.0f} points/s"
  )
  fields = {
    "network": f"algebraic(degree={degree})",
    "continuation": tuple(lower),
    "data.train_points": plan.points,
    "data.heldout_points": _heldout(config),
    "gauss_newton.steps": 20,
    "gauss_newton.iterations": plan.iterations,
    "matmul_precision": "float32" if _products(machine) == machine.flops else "bfloat16",
    "time_limit": _time_limit(budget, _certificate_seconds(variety, degree, config, machine)),
  }
  return Choice(fields, reason, plan.seconds)


def _is_sparse(variety: Variety) -> bool:
  """Whether products of monomials are few enough to be a network's features."""
  terms = [len(q.exponents) for q in variety.polynomials]
  return len(terms) == 1 and terms[0] <= variety.num_coordinates + 1


def _network(variety: Variety, budget: float) -> Choice:
  """A network of products of monomials, for all of the time."""
  width = 48 if len(variety.polynomials[0].exponents) <= variety.num_coordinates else 96
  fields = {
    "network": _NETWORK.format(width),
    "gauss_newton.steps": 600,
    "time_limit": _time_limit(budget, _CERTIFICATE),
  }
  return Choice(fields, "few monomials: their products as features", budget)


def _time_limit(budget: float, certificate: float) -> float:
  """Seconds after which training ends, so that time is left for the certificate."""
  return max(budget - certificate, _TRAINING * budget)


def _plan(variety, degree, config, machine, points_per_second, memory) -> _Plan:
  """The plan for a degree: as many points as time allows, but not too few."""
  degrees = _ladder(variety, degree)
  fixed = _REST + _PHASE * len(degrees)
  fixed = machine.slowness * fixed + _certificate_seconds(variety, degree, config, machine)
  fixed += (_heldout(config) + 5_000) / points_per_second
  equations = 1 + 2 * variety.dimension
  for lower in degrees[:-1]:
    most = 10 * _unknowns(variety, lower) / equations
    fixed += most * _flops(variety, lower) * 5 * _RUNG / (_EFFICIENCY * _products(machine))
  unknowns = _unknowns(variety, degree) / equations
  left = config.budget_seconds - fixed
  iteration = _flops(variety, degree) / (_EFFICIENCY * _products(machine))
  most = min(_MOST, memory / (_frame_bytes(variety, degree, machine) * unknowns))
  if most < _FEWEST:
    most, iteration = _FEWEST, _RECOMPUTED * iteration
  step = _STEP * _products(machine) / machine.flops  # Of single precision.
  plan = _Plan(tuple(degrees), _unknowns(variety, degree), 0, 0.0)
  lifted = len(degrees) > 1
  early = _FIRST * (_EARLY + step) if lifted else 0
  steps = _STEPS_EXACT if plan.exact else _STEPS_LIFTED if lifted else _STEPS_ALONE
  late = (plan.iterations + step) * steps
  ratio = (left / (iteration * unknowns) - early) / (late + 1 / (points_per_second * iteration))
  ratio = min(max(ratio, _FEWEST), most)
  points = max(int(ratio * unknowns), _POINTS)
  seconds = fixed + iteration * (early * unknowns + late * points) + points / points_per_second
  return plan._replace(points=points, seconds=seconds)


def _products(machine: speed.Speed) -> float:
  """Operations a second in products with J."""
  return machine.bfloat16 if machine.bfloat16 > _FASTER * machine.flops else machine.flops


def _ladder(variety: Variety, degree: int) -> list[int]:
  """Degrees from the first to `degree`, each half of the next; only multiples of the class lift."""
  degrees = [degree]
  multiple = lambda d: kaehler_class.is_multiple(variety.ambient, variety.moduli, d)
  while _unknowns(variety, degrees[0]) > _LADDER and all(
    d and multiple(d) for d in (degrees[0], degrees[0] // 2)
  ):
    degrees.insert(0, degrees[0] // 2)
  return degrees


def _sections(variety: Variety, degree: int) -> list[int]:
  """How many sections each term of an algebraic metric has."""
  terms = kaehler_class.terms(variety.ambient, variety.moduli, degree)
  return [sections.expected_count(variety, multidegree) for _, multidegree in terms]


def _unknowns(variety: Variety, degree: int) -> int:
  return sum(n**2 for n in _sections(variety, degree))


def _flops(variety: Variety, degree: int) -> float:
  """Of one product with J^T J, a point; see trainer.metric.algebraic."""
  n = variety.dimension
  small = _SMALL * _rows(n) * sum(_sections(variety, degree))
  return (n + 1) * (12 * _unknowns(variety, degree) + small)


def _rows(n: int) -> int:
  """Sections with first and second derivatives."""
  return 1 + n + n * (n + 1) // 2


def _frame_bytes(variety: Variety, degree: int, machine: speed.Speed) -> float:
  """Of what is kept of a point for J, see trainer.metric.algebraic_rows.Products, and eta."""
  number, n = 8 if _products(machine) == machine.flops else 4, variety.dimension
  rows = sum(number * size + 8 * (1 + n) ** 2 for size in _sections(variety, degree))
  return _rows(n) * rows + 8 * (1 + n)


def _heldout(config: ml_collections.ConfigDict) -> int:
  points = config.data.heldout_points
  return min(points, _HELDOUT) if config.budget_seconds < _SHORT else points


def _certificate_seconds(variety, degree, config, machine) -> float:
  """Sections with their derivatives times H at all held-out points, in float64; compiling."""
  n = variety.dimension
  rows = _VALUES * (1 + n) + _CURVATURES * _rows(n)
  work = 2 * 8 * rows * _unknowns(variety, degree) * _heldout(config)
  return machine.slowness * _CERTIFICATE + work / (_ROWS_EFFICIENCY * machine.flops)


def _degrees(variety: Variety) -> list[int]:
  """Those worth a look: 1, and of others those with as much near the ray of the class as can be."""
  # Beyond the last one single precision ends.
  degrees = range(2, 3 * (variety.dimension + 1) + 1)
  near = [kaehler_class.share_near(variety.ambient, variety.moduli, degree) for degree in degrees]
  return [1, *(degree for degree, share in zip(degrees, near) if share > max(near) - _ROUNDING)]


def _sampling_rate(variety: Variety, concentration: str) -> float:
  """Points a second, from one block after the one that compiles; UserError if singular."""
  sampler = make_sampler(variety, concentration)
  key = jax.random.key(0, impl="threefry2x32")
  jax.block_until_ready(sampler.block(key, 0))
  tick = time.monotonic()
  jax.block_until_ready(sampler.block(key, 1))
  return sampler.points_per_block / (time.monotonic() - tick)
