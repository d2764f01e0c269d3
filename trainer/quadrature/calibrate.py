"""Quadrature weights for which the integral of Delta f dvol vanishes, as it does exactly.

With h = (1, Box f_1, Box f_2, ..) at points of weights m the weights m' = m (1 + c . h) differ
least from m, in sum_p (m'_p - m_p)^2 / m_p, among those with sum m' = Vol and sum m' Box f_j = 0:
(sum m h h^T) c = (Vol - sum m, -sum m Box f_j), one all-reduced matrix. If the f_j are all
functions of degree k_c = 2k, integrals of products of two functions of degree k, and of their
gradients, come out as good as exact.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from networks import invariant, jets, symmetry
from trainer.geometry import sections
from trainer.geometry.variety import Variety
from trainer.quadrature import functions as fields
from trainer.quadrature import products
from trainer.quadrature.background import Background, Rows

# Points a control takes, at least: with fewer some weights turn negative, and the noise of the
# points is fitted.
POINTS_PER_CONTROL = 20
# More controls than these have their matrix of products in float32, which halves its time.
_SINGLE = 1000
# Added to mean squares 1 of controls, in float64 and in float32: constants are no controls, and
# rounding must not make the matrix indefinite.
_RIDGES = 1e-11, 3e-6
# Of the largest mean square: smaller ones are not raised to 1, they may be rounding errors.
_FLOOR = 1e-6

# Rows -> (C, M_c) real, functions whose integral vanishes.
Controls = Callable[[Rows], jax.Array]


class Calibrated(NamedTuple):
  """What became of a background.

  Attributes:
    background: with weights m'.
    spread: rms of m' / m - 1.
    least: the least m' / m.
    fit: y -> (sum m h h^T)^-1 y, with the plain weights m.
  """

  background: Background
  spread: float
  least: float
  fit: Callable[[np.ndarray], np.ndarray]


def degree_for(variety: Variety, num_points: int, most: int, order: int = 1) -> int:
  """The largest k_c, at most `most`, whose functions have enough points; 0 if none has.

  They are N_k^2, or those of them that are invariant under a group, about N_k^2 / order.
  """
  enough = lambda k: POINTS_PER_CONTROL * size_of(variety, k) ** 2 <= num_points * order
  return max((k for k in range(1, most + 1) if enough(k)), default=0)


def size_of(variety: Variety, degree: int) -> int:
  """N_k, by Koszul's resolution."""
  return sections.expected_count(variety, (degree,) * len(variety.ambient))


@functools.lru_cache(maxsize=16)
def all_of_degree(functions: fields.Functions) -> Controls:
  """Box f of all functions f of a degree."""
  return lambda rows: fields.box_features(functions.frame(rows))


@functools.lru_cache(maxsize=16)
def invariants(functions: fields.Functions, group: symmetry.Generators) -> Controls:
  """Box f of the functions of a degree that are invariant under a group.

  They are all it takes where a mean over the group is taken at every point.
  """
  basis, ambient = functions.basis, functions.ambient
  forms = symmetry.invariant_forms(basis.exponents, basis.coefficients, ambient, group)

  def controls(rows):
    x = jets.from_coordinates(rows.x, rows.pullback)
    rho = invariant.invariant_rows(forms, ambient, x)
    return functions.box_of_jets(rows, jets.Jet(rho))

  return controls


def calibrated(
  background: Background, controls: Controls, kept: Callable = lambda make: make()
) -> Calibrated:
  """Changes quadrature weights least so that integrals known to vanish do.

  Args:
    background: points with weights.
    controls: functions whose integral vanishes.
    kept: called with what makes {"gram": their matrix}, which takes long; returns the same.
  """
  gram = kept(lambda: {"gram": products.matrix(background.integral(_gram(controls)))})["gram"]
  fit, left = _inverse(gram), -gram[0]
  left[0] += background.total
  c = fit(left)
  # The matrix may be rounded, integrals are not: what is left of them is mended.
  left = -background.integral(_sums(controls), c)
  left[0] += background.total
  c += fit(left)
  factor = background.at_points(_factor(controls), c)
  spread, volume = background.integral(_deviation, None, factor)
  new = background.with_volume(background.rows.volume * factor)
  return Calibrated(new, float(np.sqrt(spread / volume)), float(jnp.min(factor)), fit)


def unexplained(
  background: Background, controls: Controls, of: Calibrated, f: jax.Array
) -> tuple[jax.Array, int]:
  """What controls leave of functions f (B, R) at points: f - beta . h, by least squares.

  With calibrated weights the integral of f is that of f - beta . h, up to a constant known exactly:
  its statistical error is that of this rest.

  Args:
    background: with plain weights.
    controls: h.
    of: what became of the background.
    f: sharded like the points.

  Returns:
    The rest (B, R), and the number of unknowns in beta.
  """
  beta = of.fit(background.integral(_products(controls), None, f))
  narrow = beta.astype(np.float32) if len(beta) > _SINGLE else beta
  return f - background.at_points(_combined(controls), narrow), len(beta)


def _inverse(gram):
  """y -> gram^-1 y, of functions scaled to mean square 1 and with a ridge: constants are none."""
  squares = np.diag(gram)
  scale = 1 / np.sqrt(np.maximum(squares, _FLOOR * squares.max()))
  scaled = scale[:, None] * gram * scale
  scaled[np.diag_indices_from(scaled)] += _RIDGES[len(gram) > _SINGLE]
  factor = scipy.linalg.cho_factor(scaled, overwrite_a=True, check_finite=False)
  column = lambda y: scale.reshape(-1, *[1] * (y.ndim - 1))
  return lambda y: column(y) * scipy.linalg.cho_solve(factor, column(y) * y, check_finite=False)


def _deviation(_, rows, factor):
  return rows.volume @ (factor - 1) ** 2, jnp.sum(rows.volume)


@functools.lru_cache(maxsize=16)
def _gram(controls):
  def sums(_, rows):
    return products.halves(_with_one(_rounded(controls, rows)), rows.volume)

  return sums


@functools.lru_cache(maxsize=16)
def _products(controls):
  def sums(_, rows, f):
    h = _with_one(_rounded(controls, rows))
    return h.T @ (rows.volume[:, None] * f).astype(h.dtype)

  return sums


@functools.lru_cache(maxsize=16)
def _combined(controls):
  return lambda beta, rows: _with_one(_rounded(controls, rows)) @ beta


@functools.lru_cache(maxsize=16)
def _sums(controls):
  def sums(c, rows):
    h = _with_one(controls(rows))
    return (rows.volume * (1 + h @ c)) @ h

  return sums


@functools.lru_cache(maxsize=16)
def _factor(controls):
  return lambda c, rows: 1 + _with_one(controls(rows)) @ c


def _rounded(controls, rows):
  """Controls in float32 where they are many."""
  count = jax.eval_shape(controls, rows).shape[1] + 1
  if count <= _SINGLE:
    return controls(rows)
  narrow = lambda a: a.astype(jnp.complex64 if jnp.iscomplexobj(a) else jnp.float32)
  return controls(jax.tree.map(narrow, rows))


def _with_one(h):
  return jnp.concatenate([jnp.ones_like(h[:, :1]), h], axis=1)
