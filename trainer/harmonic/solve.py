"""The harmonic (1, 1) forms of a run's metric: one Poisson problem, solved once and kept."""

from __future__ import annotations

import functools
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from trainer.devices import speed
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.harmonic import kaehler
from trainer.quadrature import calibrate, least_squares, of_run
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background, Rows
from trainer.run.metrics import Progress
from trainer.run.run import Run

FILE = "harmonic_11.npz"
# Points an unknown, and how many at least and at most.
_POINTS_PER_UNKNOWN, _FEWEST, _MOST = 4, 20_000, 100_000
_VALIDATION = 10_000
_ITERATIONS = 20
# Of the float32 rate of a product of matrices: float64, and what is not a product.
_EFFICIENCY = 0.12
# Seconds: of a default solution, and of what does not depend on its size.
_BUDGET, _REST = 100.0, 25.0


class KaehlerForms(NamedTuple):
  """The functions u_i of trainer.harmonic.kaehler.

  Attributes:
    degree: k of the functions u_i are made of, 0 if all are 0.
    h: (m, N_k, N_k) real, their forms.
  """

  degree: int
  h: np.ndarray

  def functions(self, variety: Variety) -> fields.Functions | None:
    """What u_i are made of."""
    return fields.of_degree(variety, self.degree) if self.degree else None


def load(workdir: pathlib.Path, params: Any) -> KaehlerForms | None:
  """The forms that are kept in a run's directory, None if there are none of these parameters."""
  path = workdir / FILE
  if not path.exists():
    return None
  with np.load(path) as stored:
    if str(stored["metric"]) != of_run.digest(params):
      return None
    return KaehlerForms(int(stored["degree"]), stored["h"])


def forms_of_run(
  run: Run,
  params: Any,
  workdir: pathlib.Path,
  settings: of_run.Settings,
  degree: int | None,
  progress: Progress,
) -> KaehlerForms:
  """The harmonic forms of a run's metric, read back if they are there, else solved for and kept.

  Args:
    run: of a metric.
    params: of its network.
    workdir: its directory.
    settings: see there.
    degree: of the functions; None for what is kept, or the highest that time allows; with one
      modulus for g / t, without any.
    progress: says what is done and how long it takes.

  Raises:
    UserError: the degree is not positive.
  """
  if degree is not None and degree < 1:
    raise UserError(f"--degree={degree} must be at least 1")
  variety = run.problem.variety
  kept, known = load(workdir, params), len(variety.ambient) == 1 and degree is None
  if kept is not None and (kept.degree == 0 if known else degree in (None, kept.degree)):
    return kept
  if known:
    forms = KaehlerForms(0, np.zeros((1, 0, 0)))
  else:
    forms = _solve(run, params, settings, degree, progress)
  if jax.process_index() == 0:
    arrays = dict(degree=forms.degree, h=forms.h, metric=of_run.digest(params))
    of_run.save(workdir / FILE, arrays)
  return forms


def solve(
  variety: Variety,
  fit: Background,
  validation: Background,
  degree: int,
  progress: Any = None,
) -> KaehlerForms:
  """Solves for u_i of degree k by least squares, of the m - 1 that sum_i t_i u_i = 0 leaves free.

  With one modulus for u itself, see trainer.harmonic.kaehler.

  Args:
    variety: the manifold.
    fit: points to fit.
    validation: other points, at which conjugate gradients end.
    degree: k.
    progress: see trainer.quadrature.least_squares.solve.
  """
  functions = fields.of_degree(variety, degree)
  rhs = _right_hand_sides(variety)
  sides = [at.at_points(rhs) for at in (fit, validation)]
  found = least_squares.solve(
    fit,
    functions,
    sides[0],
    (validation, sides[1]),
    iterations=_ITERATIONS,
    progress=progress,
  ).h
  if len(variety.ambient) == 1:
    return KaehlerForms(degree, found)
  t = np.array(variety.moduli)
  last = -np.tensordot(t[:-1], found, 1) / t[-1]
  return KaehlerForms(degree, np.concatenate([found, last[None]]))


def _solve(run, params, settings, degree, progress):
  variety = run.problem.variety
  rate = _EFFICIENCY * speed.measure(settings.mesh.size).flops
  seconds = lambda k: _flops(variety, k) / rate + _REST
  if degree is None:
    degree = 1
    while seconds(degree + 1) <= _BUDGET:
      degree += 1
  unknowns, points = calibrate.size_of(variety, degree) ** 2, _num_points(variety, degree)
  progress.stage(
    f"harmonic (1, 1) forms of degree {degree}: {unknowns:,} unknowns each, {points:,} points, "
    f"about {seconds(degree):.0f} s"
  )
  at = functools.partial(of_run.background, run, params, settings, progress)
  fit, validation = at("train", points), at("validation", _VALIDATION)
  progress.start("conjugate gradients", _ITERATIONS, "")
  steps = lambda done, total: progress.update(done, {})
  forms = solve(variety, fit, validation, degree, steps)
  progress.close()
  return forms


def _num_points(variety, degree):
  unknowns = calibrate.size_of(variety, degree) ** 2
  return min(max(_FEWEST, _POINTS_PER_UNKNOWN * unknowns), _MOST)


def _flops(variety, degree):
  size, sides = calibrate.size_of(variety, degree), max(1, len(variety.ambient) - 1)
  products = 16 * size**2 * (1 + variety.dimension) * sides
  return _num_points(variety, degree) * products * (_ITERATIONS if size**2 > 3000 else 1) + (
    2 * _num_points(variety, degree) * size**4 if size**2 <= 3000 else 0
  )


@functools.lru_cache(maxsize=16)
def _right_hand_sides(variety):
  """c_i - tr alpha_i for u = 0, i < m, or i = 1 = m."""
  of_class, count = kaehler.exact(variety), max(1, len(variety.ambient) - 1)

  def rhs(_, rows: Rows):
    alpha = kaehler.start(of_class, variety.dimension, rows, variety.ambient)
    return (of_class.traces - kaehler.traces(alpha, rows.metric))[:, :count]

  return rhs
