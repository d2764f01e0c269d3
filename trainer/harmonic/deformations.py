"""Harmonic representatives of H^1(T) along named deformations: their potentials f, G, y, kappa.

With means <.> in |Omega|^2 and of the lifts V_f of any f (trainer.harmonic.lift)

  G_ij = <tr mu_i conj(mu_j)> - <(k_i - <k_i>) conj(k_j - <k_j>)>,
  kappa_ij.. = n! <det(mu_i, mu_j, ..) Omega / conj(Omega)>,   y_i = |kappa_ii..| G_ii^{-n/2},

det polarised. Nothing but their errors depends on f; at the harmonic one the errors are least.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import itertools
import math
import pickle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import parallel
from trainer.geometry.dwork import Exact
from trainer.geometry.variety import Variety
from trainer.harmonic import lift
from trainer.harmonic.lift import Direction
from trainer.metric.pointwise import Metric
from trainer.quadrature import calibrate, charged
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background, Rows
from trainer.sampling import statistics

# Functions f_AB that f is made of at most, and the highest degree: more gain nothing beside the
# metric.
_MOST, _DEGREES = 2000, range(1, 9)
# Entries of all their matrices, which are multiplied by sections at every point.
_ENTRIES = 300_000
# Calibration biases G by about controls / slices.
_SLICES_PER_CONTROL = 50


# (background, forms) -> what `lifts` gives there, numpy arrays on every process, padding included.
Evaluate = Callable[[Background, np.ndarray], dict[str, np.ndarray]]


class Potentials(NamedTuple):
  """The functions f of deformations.

  Attributes:
    degree: k of the sections f are made of, 0 if all are 0.
    forms: (m, N_k, N_k) complex, see trainer.harmonic.lift.at_rows.
  """

  degree: int
  forms: np.ndarray

  def functions(self, variety: Variety) -> fields.Functions | None:
    """What f are made of."""
    return fields.of_degree(variety, self.degree) if self.degree else None


def degree_for(variety: Variety, directions: tuple[Direction, ...], most: int | None = None) -> int:
  """The highest degree of f, at most `most`, whose functions are few enough; 0 if there is none."""
  degrees = _DEGREES if most is None else range(1, most + 1)

  def fits(degree):
    entries = len(directions) * calibrate.size_of(variety, degree) ** 2
    return entries <= _ENTRIES and _fits(variety, directions, degree)

  return max(itertools.takewhile(fits, degrees), default=0)


def num_points(variety: Variety, directions: tuple[Direction, ...], degree: int) -> int:
  """How many points to fit f to: 5 a complex unknown, and no fewer than 4,000."""
  unknowns = [charged.of_degree(variety, degree, d).count for d in directions if degree]
  return max(4000, 5 * max(unknowns, default=0))


@functools.lru_cache(maxsize=16)
def lifts(
  variety: Variety, metric: Metric, directions: tuple[Direction, ...], degree: int
) -> Callable[[Any, Rows], dict[str, jax.Array]]:
  """((params, forms), rows) -> trainer.harmonic.lift.Lifts of V_0 and V_f, on axis 1, and phase."""
  functions = fields.of_degree(variety, degree) if degree else None

  def values(params, rows):
    network, forms = params
    both = lift.at_rows(variety, metric, directions, functions, network, forms, rows)
    stacked = lambda name: jnp.stack([getattr(at, name) for at in both], axis=1)
    return {"stretch": stacked("stretch"), "mu": stacked("mu"), "phase": both[0].phase}

  return values


def solve(
  variety: Variety,
  directions: tuple[Direction, ...],
  degree: int,
  fit: Background,
  evaluate: Evaluate,
) -> Potentials:
  """Solves g^{a bbar} d_a d_bbar f = k(V_0) - <k> by least squares at points."""
  if not degree:
    return Potentials(0, np.zeros((len(directions), 0, 0)))
  functions = fields.of_degree(variety, degree)
  nothing = np.zeros((len(directions), functions.size, functions.size), complex)
  stretch = evaluate(fit, nothing)["stretch"][:, 0]
  rows = slice(*parallel.local_rows(fit.mesh, len(stretch)))
  stretch = parallel.shard_rows(fit.mesh, stretch[rows], len(stretch))
  alike: dict[bytes, list[int]] = {}  # Of the same functions: one matrix does for all.
  for i, direction in enumerate(directions):
    chosen = charged.of_degree(variety, degree, direction)
    key = pickle.dumps((chosen.left, chosen.right, chosen.weights))
    alike.setdefault(key, []).append(i)
  forms = np.zeros_like(nothing)
  for numbers in alike.values():
    chosen = charged.of_degree(variety, degree, directions[numbers[0]])
    forms[numbers] = chosen.forms(charged.solve(fit, chosen, stretch[:, numbers]))
  return Potentials(degree, forms)


def at_points(
  variety: Variety, potentials: Potentials, background: Background, evaluate: Evaluate
) -> dict[str, np.ndarray]:
  """What there is of the deformations at points, numpy arrays on every process.

  Returns:
    "stretch" (2, B, m) and "mu" (2, B, m, n, n), of V_0 and then of V_f, "phase" (B,); see
    trainer.harmonic.lift.Lifts. "weight" (B,), quadrature weights of |Omega|^2, and
    "of_controls" (B, C), functions with integral 0 with which these are calibrated, times their
    weights of dvol over "weight".
  """
  values = evaluate(background, potentials.forms)
  controls = _controls(variety, background)
  if controls is None:
    calibrated, h = background, jnp.zeros((background.rows.volume.shape[0], 0))
  else:
    calibrated = calibrate.calibrated(background, controls).background
    h = background.at_points(_apply(controls))
  density = background.at_points(_density)
  weights = {"weight": calibrated.rows.volume / density, "of_controls": h * density[:, None]}
  values = {
    name: a[: background.num_points] for name, a in (values | parallel.gather_rows(weights)).items()
  }
  return values | {name: np.moveaxis(values[name], 1, 0) for name in ("stretch", "mu")}


def measure(
  values: dict[str, np.ndarray], exact: dict[str, Exact | None], points_per_slice: int
) -> dict[str, Any]:
  """G, y and kappa with standard errors, JSON-like.

  Args:
    values: of `at_points`.
    exact: G and y where they are known, by the names of the m deformations.
    points_per_slice: points that are correlated.

  Returns:
    "deformations": name -> {"G", "y", "residual"}, the first two {"value", "stderr", "exact"},
    "residual" rms(k - <k>) / sqrt(G) of V_0 and V_f; "hodge" is <|mu|_g^2>, G of a harmonic mu.
    Of several deformations also "metric" (m, m) and "couplings", the kappa of i <= j <= ..,
    normalised to integral |Omega|^2 = 1, each {"value", "imaginary", "stderr"}.
  """
  means = _Means(values, points_per_slice)
  k, mu, phase = values["stretch"][1], values["mu"][1], values["phase"]
  off = variances(values)
  m, n = mu.shape[1:3]
  metric = [
    [means.metric(mu[:, i], mu[:, j], k[:, i], k[:, j]) for j in range(m)] for i in range(m)
  ]
  coupling = lambda index: means.mean(
    math.factorial(n) * _mixed_determinant([mu[:, i] for i in index]) * phase
  )
  found = {}
  for i, (name, known) in enumerate(exact.items()):
    g, kappa = metric[i][i], coupling((i,) * n)
    y = abs(kappa.value) * g.value.real ** (-n / 2)
    slope = (kappa.terms * np.conj(kappa.value)).real / abs(kappa.value) ** 2
    terms = y * (slope - n / 2 * g.terms.real / g.value.real)
    exact_g, exact_y = known or (None, None)
    rest = [float((varied / g.value.real) ** 0.5) for varied in off[:, i]]
    found[name] = {
      "G": {"value": g.value.real, "stderr": means.stderr(g.terms.real), "exact": exact_g},
      "y": {"value": float(y), "stderr": means.stderr(terms), "exact": exact_y},
      "residual": {"before": rest[0], "after": rest[1]},
      "hodge": means.mean(_trace(mu[:, i], mu[:, i])).value.real,
    }
  result = {"deformations": found, "controls": values["of_controls"].shape[1]}
  if m > 1:
    entry = lambda e: {
      "value": e.value.real,
      "imaginary": e.value.imag,
      "stderr": math.hypot(means.stderr(e.terms.real), means.stderr(e.terms.imag)),
    }
    result["metric"] = [[entry(e) for e in row] for row in metric]
    result["couplings"] = [
      {"deformations": [list(exact)[i] for i in index], **entry(coupling(index))}
      for index in itertools.combinations_with_replacement(range(m), n)
    ]
  return result


def variances(values: dict[str, np.ndarray]) -> np.ndarray:
  """<|k_i - <k_i>|^2> of V_0 and V_f, (2, m), of `at_points`: what is not harmonic."""
  weight, k = values["weight"] / np.sum(values["weight"]), values["stretch"]
  off = k - np.einsum("p,spi->si", weight, k)[:, None]
  return np.einsum("p,spi->si", weight, abs(off) ** 2)


class _Estimate(NamedTuple):
  """A value, and what each point adds to its error over its weight."""

  value: complex
  terms: np.ndarray


class _Means:
  """Means of functions with calibrated weights, and their errors."""

  def __init__(self, values, points_per_slice):
    weight = values["weight"]
    self._kept = kept = weight != 0
    self._weight = weight[kept] / np.sum(weight[kept])
    self._slices = statistics.slice_numbers(kept, points_per_slice)
    # Errors are those of what regression on the controls leaves.
    self._root = np.sqrt(np.abs(self._weight))
    controls = values["of_controls"][kept]
    fixed = np.concatenate([np.ones_like(controls[:, :1]), controls], axis=1)
    self._basis = np.linalg.qr(self._root[:, None] * fixed)[0]

  def mean(self, f):
    f = f[self._kept]
    value = complex(np.sum(self._weight * f))
    return _Estimate(value, f - value)

  def metric(self, mu, other, k, other_k):
    square = self.mean(_trace(mu, other) - k * other_k.conj())
    a, b = self.mean(k), self.mean(other_k)
    terms = square.terms + a.terms * np.conj(b.value) + a.value * np.conj(b.terms)
    return _Estimate(square.value + a.value * np.conj(b.value), terms)

  def stderr(self, terms):
    weighted = self._root * terms  # sum_p root_p weighted_p is the error.
    left = weighted - self._basis @ (self._basis.T @ weighted)
    # Points that lead the regression leave too little of themselves.
    left = left / (1 - np.minimum(np.sum(self._basis**2, axis=1), 0.5))
    return statistics.standard_error(np.sign(self._weight) * self._root * left, self._slices)


def _trace(mu, other):
  return np.einsum("pba,pab->p", mu, other.conj())


def _mixed_determinant(matrices):
  """The polarisation of det: sum over sets S of (-1)^{n - |S|} det(sum_S A_i) / n!; (B, n, n)."""
  n = len(matrices)
  if all(matrix is matrices[0] for matrix in matrices):
    return np.linalg.det(matrices[0])
  total = 0
  for size in range(1, n + 1):
    for chosen in itertools.combinations(range(n), size):
      total = total + (-1) ** (n - size) * np.linalg.det(sum(matrices[i] for i in chosen))
  return total / math.factorial(n)


def _fits(variety, directions, degree):
  return all(len(charged.pairs(variety, degree, d)[0]) <= _MOST for d in directions)


def _controls(variety, background):
  """Box f of all invariant f of the highest degree that leaves 50 slices a control."""
  slices, best = background.num_points // background.points_per_slice, None
  for degree in _DEGREES:
    few = _fits(variety, (None,), degree)
    if not few or charged.of_degree(variety, degree).count * _SLICES_PER_CONTROL > slices:
      break
    best = charged.controls(variety, degree)
  return best


@functools.lru_cache(maxsize=16)
def _apply(controls):
  return lambda _, rows: controls(rows)


def _density(_, rows):
  """det g / |Omega|^2."""
  return jnp.linalg.det(rows.metric).real / rows.omega
