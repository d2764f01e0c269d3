"""The harmonic (1, 1) forms of a run's metric: one Poisson problem, solved once and kept."""

from __future__ import annotations

from collections.abc import Callable
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from trainer.geometry import kaehler_class
from trainer.geometry.variety import Variety
from trainer.harmonic import kaehler
from trainer.quadrature import calibrate, least_squares, of_run
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background, Rows
from trainer.quadrature.conjugate_gradients import Kept
from trainer.quadrature.of_run import Task
from trainer.run import checkpoint

FILE = "harmonic_11.npz"
# Points an unknown, and how many at least and at most.
_POINTS_PER_UNKNOWN, _FEWEST, _MOST = 4, 20_000, 100_000
_VALIDATION = 10_000
_ITERATIONS = 20
# Of the float32 rate of a product of matrices: float64, and what is not a product.
_EFFICIENCY = 0.12
# Seconds: of a default solution, and of what does not depend on its size.
_BUDGET, _REST = 100.0, 25.0
# Matrices that there are at one time: of forms, of sections and normal equations.
_COPIES, _ROOM = 20, 6
# What iterations are kept under.
_UNFINISHED = "harmonic_11"


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


def check(task: Task) -> None:
  """Raises UserError if the degree that is asked for is not positive or needs too much memory."""
  task.check_degree(functools.partial(_bytes, task.variety))


def forms_of_run(task: Task) -> KaehlerForms:
  """The harmonic forms of a run's metric, read back if they are there, else solved for and kept.

  Args:
    task: checked; without a degree it takes that of what is kept, or the highest that time allows;
      with one modulus g / t, without any.
  """
  variety, degree = task.variety, task.degree
  kept = load(task.workdir, task.params)
  known = len(variety.ambient) == 1 and degree is None
  if kept is not None and (kept.degree == 0 if known else degree in (None, kept.degree)):
    return kept
  if known:
    forms = KaehlerForms(0, np.zeros((1, 0, 0)))
  else:
    forms = _solve(task)
  if jax.process_index() == 0:
    arrays = dict(degree=forms.degree, h=forms.h, metric=of_run.digest(task.params))
    checkpoint.write_arrays(task.workdir / FILE, arrays)
  task.unfinished.clear(_UNFINISHED)
  return forms


def solve(
  variety: Variety,
  fit: Background,
  validation: Background,
  degree: int,
  progress: Callable[[int, int], None] | None = None,
  kept: Kept | None = None,
) -> KaehlerForms:
  """Solves for u_i of degree k by least squares, of the m - 1 that sum_i t_i u_i = 0 leaves free.

  With one modulus for u itself, see trainer.harmonic.kaehler.

  Args:
    variety: the manifold.
    fit: points to fit.
    validation: other points, at which conjugate gradients end.
    degree: k.
    progress: see trainer.quadrature.least_squares.solve.
    kept: see there.
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
    kept=kept,
  ).h
  if len(variety.ambient) == 1:
    return KaehlerForms(degree, found)
  t = np.array(variety.moduli)
  last = -np.tensordot(t[:-1], found, 1) / t[-1]
  return KaehlerForms(degree, np.concatenate([found, last[None]]))


def _solve(task):
  variety, degree, progress = task.variety, task.degree, task.progress
  seconds = lambda k: _flops(variety, k) / (_EFFICIENCY * task.rate) + _REST
  if degree is None:
    degree = 1
    while seconds(degree + 1) <= _BUDGET and _bytes(variety, degree + 1) <= task.memory:
      degree += 1
  unknowns, points = calibrate.size_of(variety, degree) ** 2, _num_points(variety, degree)
  progress.stage(
    f"harmonic (1, 1) forms of degree {degree}: {unknowns:,} unknowns each, {points:,} points, "
    f"about {seconds(degree):.0f} s"
  )
  fit, validation = task.background("train", points), task.background("validation", _VALIDATION)
  progress.start("conjugate gradients", _ITERATIONS, "")
  steps = lambda done, total: progress.update(done, {})
  forms = solve(variety, fit, validation, degree, steps, Kept(task.unfinished, _UNFINISHED))
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


def _bytes(variety, degree):
  """What a device needs, above all forms (m, N, N) and sections of so many monomials."""
  size, m = calibrate.size_of(variety, degree), len(variety.ambient)
  monomials = kaehler_class.num_monomials(variety.ambient, (degree,) * m)
  normal = _ROOM * size**4 if size**2 <= least_squares.DENSE else 0
  return 8 * (_COPIES * m * size**2 + _ROOM * monomials * size + normal)


@functools.lru_cache(maxsize=16)
def _right_hand_sides(variety):
  """c_i - tr alpha_i for u = 0, i < m, or i = 1 = m."""
  of_class, count = kaehler.exact(variety), max(1, len(variety.ambient) - 1)

  def rhs(_, rows: Rows):
    alpha = kaehler.start(of_class, variety.dimension, rows, variety.ambient)
    return (of_class.traces - kaehler.traces(alpha, rows.metric))[:, :count]

  return rhs
