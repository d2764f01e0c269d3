"""Matter fields of line bundles on a run's manifold: found, and what there is to say of them."""

from __future__ import annotations

from collections.abc import Sequence
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from trainer.bundles import algebraic, cohomology, matter, topology, yukawa
from trainer.bundles import forms as form_values
from trainer.errors import UserError
from trainer.geometry import topology as intersections
from trainer.geometry.variety import Variety
from trainer.harmonic.solve import KaehlerForms
from trainer.quadrature.background import Background
from trainer.quadrature.conjugate_gradients import Kept
from trainer.quadrature.of_run import Task

# Points an unknown, and how many at least and at most.
_POINTS_PER_UNKNOWN, _FEWEST, _MOST = 4, 20_000, 100_000
_VALIDATION = 10_000
# Of the float32 rate of a product of matrices: float64, and what is not a product.
_EFFICIENCY = 0.3
# Seconds: of default degrees above 1.
_BUDGET = 100.0
# Sections of a bundle that there are at one time.
_COPIES = 20
# What iterations are kept under.
UNFINISHED = "matter"
# A slope this small, relative to what its terms are, is rounding.
_ROUNDING = 1e-9


class Matter(NamedTuple):
  """The harmonic forms of a bundle at held-out points, numpy arrays on every process.

  Attributes:
    degree: of the sections they are found with.
    first: those of the representatives, see trainer.bundles.matter.at_points.
    harmonic: of the harmonic forms.
  """

  degree: int
  first: dict[str, np.ndarray]
  harmonic: dict[str, np.ndarray]


def missing(variety: Variety, bundle: tuple[int, ...]) -> str | None:
  """Why there are no matter fields to be found, on one line; None if there are."""
  try:
    if cohomology.dimension(variety, bundle) == 0:
      return "H^1 vanishes"
  except UserError as error:
    return str(error)
  data = variety.ambient, variety.degrees, variety.moduli
  size = topology.slope(*data, [abs(k) for k in bundle])
  if abs(topology.slope(*data, bundle)) > _ROUNDING * size:
    return "the slope does not vanish at these Kaehler moduli"
  return None


def check(task: Task, bundles: Sequence[tuple[int, ...]]) -> None:
  """Raises UserError if sections of the degree that is asked for need too much memory."""
  wanted = _wanted(task.variety, bundles)
  task.check_degree(lambda degree: _bytes(task.variety, wanted, degree))


def find(
  task: Task, forms: KaehlerForms, bundles: Sequence[tuple[int, ...]], heldout: Background
) -> dict[tuple[int, ...], Matter]:
  """The matter fields of those bundles that have some.

  Args:
    task: checked; without a degree that of the sections is 1, or more where time allows.
    forms: the harmonic (1, 1) forms.
    bundles: rows k.
    heldout: where the forms are wanted.
  """
  variety, degree, progress = task.variety, task.degree, task.progress
  wanted = _wanted(variety, bundles)
  if not wanted:
    return {}
  plan = functools.partial(_plan, variety, wanted, rate=_EFFICIENCY * task.rate)
  if degree is None:
    degree = 1
    while plan(degree + 1)[2] <= _BUDGET and _bytes(variety, wanted, degree + 1) <= task.memory:
      degree += 1
  sizes, points, seconds = plan(degree)
  progress.stage(
    f"harmonic forms of degree {degree} with values in {len(wanted)} line bundles: "
    f"{', '.join(f'{n:,}' for n in sizes)} unknowns each, {points:,} points, at most "
    f"{seconds:.0f} s and compilation"
  )
  at = task.background("train", points), task.background("validation", _VALIDATION)
  progress.start("conjugate gradients", matter.ITERATIONS, "")
  found = {}
  for k in wanted:
    fibre = lambda background: matter.hermitian_yang_mills(variety, k, forms, background)
    h = matter.solve(
      variety,
      k,
      degree,
      *((b, fibre(b)) for b in at),
      progress=lambda done, total: progress.update(done, {}),
      kept=Kept(task.unfinished, "_".join(map(str, (UNFINISHED, *k)))),
    )
    first, harmonic = (
      matter.at_points(variety, k, degree, s, heldout, fibre(heldout)) for s in (None, h)
    )
    found[k] = Matter(degree, first, harmonic)
  progress.close()
  return found


def describe(variety: Variety, at: Background, volume: np.ndarray, found: Matter) -> dict[str, Any]:
  """What there is to say of the fields of a bundle, JSON-like.

  Returns:
    "G", the matrix of <nu_a, nu_b>, entries {"value": [re, im], "stderr"}; "residual", rms of
    dbar* nu relative to that of nu, and "representatives", what it is of the forms to start with;
    "trace_representatives", the trace of G of these; "degree" of the sections.
  """
  group, scale = yukawa.groups(at), _scale(variety, volume)
  metrics = yukawa.matter_metrics(found.harmonic["nu"], scale * volume, group)
  value, error = yukawa.measured(lambda g: g, metrics)
  first = np.sum(yukawa.matter_metrics(found.first["nu"], scale * volume, group), axis=0)

  def residual(forms):
    square = lambda a: np.sum(np.abs(a).reshape(len(a), -1) ** 2, axis=1)
    return float(np.sqrt(volume @ square(forms["codifferential"]) / (volume @ square(forms["nu"]))))

  return {
    "G": _entries(value, error),
    "trace_representatives": float(np.trace(first).real),
    "residual": {"value": residual(found.harmonic), "representatives": residual(found.first)},
    "degree": found.degree,
  }


def couple(
  variety: Variety,
  bundles: Sequence[tuple[int, ...]],
  at: Background,
  volume: np.ndarray,
  found: Sequence[Matter],
) -> dict[str, Any]:
  """Yukawa couplings of three bundles, JSON-like.

  Returns:
    "holomorphic", lambda_abc, entries {"value": [re, im], "stderr", "exact"}, null where that is
    not known; "masses", singular values of the physical couplings for each principal field of the
    first bundle, {"value", "stderr"}, up to one factor; "shift", the largest change of lambda by
    dbar s in standard errors of the change.
  """
  exact = algebraic.couplings(variety, bundles)
  omega, group, scale = yukawa.omega(variety, at), yukawa.groups(at), _scale(variety, volume)
  nu = [matter.harmonic["nu"] for matter in found]
  sums = [
    yukawa.couplings(omega, parts, scale * volume, group)
    for parts in (nu, [matter.first["nu"] for matter in found])
  ]
  value, error = yukawa.measured(lambda s: s, sums[0])
  change, of_change = yukawa.measured(lambda s: s, sums[0] - sums[1])
  metrics = [yukawa.matter_metrics(part, scale * volume, group) for part in nu]
  size = float(scale * volume @ np.abs(omega) ** 2)
  # By lambda of the same points: its errors and those of G, which are larger alone, cancel in part.
  masses, of_masses = yukawa.measured(
    lambda s, *g: yukawa.physical(s, g, size).masses, sums[0], *metrics
  )
  return {
    "holomorphic": _entries(value, error, np.full(value.shape, None) if exact is None else exact),
    "shift": float(np.max(np.abs(change) / np.maximum(of_change, 1e-300))),
    "masses": {"value": masses.tolist(), "stderr": of_masses.tolist()},
  }


def have_couplings(variety: Variety, bundles: Sequence[tuple[int, ...]]) -> bool:
  """Whether three line bundles have couplings."""
  return len(bundles) == 3 == variety.dimension and not any(map(sum, zip(*bundles, strict=True)))


def _plan(variety, bundles, degree, rate):
  """Unknowns of each bundle's forms, points and seconds."""
  sizes = [math.prod(form_values.shape_of(variety, k, degree)) for k in bundles]
  points = min(max(_FEWEST, _POINTS_PER_UNKNOWN * max(sizes)), _MOST)
  work = sum(n * cohomology.dimension(variety, k) for n, k in zip(sizes, bundles, strict=True))
  products = (1 + variety.dimension) * (16 * points + 8 * _VALIDATION) * work
  return sizes, points, matter.ITERATIONS * products / rate


def _wanted(variety, bundles):
  return [k for k in dict.fromkeys(bundles) if missing(variety, k) is None]


def _bytes(variety, bundles, degree):
  """What a device needs, above all sections (R, N_A, N_B) of the bundle that has most."""
  shapes = [
    (cohomology.dimension(variety, k), *form_values.shape_of(variety, k, degree)) for k in bundles
  ]
  return 16 * _COPIES * max(map(math.prod, shapes), default=0)


def _scale(variety, volume):
  """What makes the sum of weights the exact volume."""
  return intersections.volume(variety.ambient, variety.degrees, variety.moduli) / np.sum(volume)


def _entries(value, error, *exact):
  if value.ndim:
    return [_entries(*rows) for rows in zip(value, error, *exact, strict=True)]
  entry = {"value": [float(value.real), float(value.imag)], "stderr": float(error)}
  return entry | {"exact": number for number in exact}
