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

from networks import invariant, jets, symmetry
from trainer.geometry import sections
from trainer.geometry.variety import Variety
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background, Rows

# Points a control takes, at least: with fewer some weights turn negative, and the noise of the
# points is fitted.
POINTS_PER_CONTROL = 20
# Eigenvalues below this part of the largest belong to constants, which are no controls.
_CUTOFF = 1e-10

# Rows -> (C, M_c) real, functions whose integral vanishes.
Controls = Callable[[Rows], jax.Array]


class Calibrated(NamedTuple):
  """What became of a background.

  Attributes:
    background: with weights m'.
    spread: rms of m' / m - 1.
    least: the least m' / m.
  """

  background: Background
  spread: float
  least: float


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


def calibrated(background: Background, controls: Controls) -> Calibrated:
  """Changes quadrature weights least so that integrals known to vanish do."""
  gram, sums = background.integral(_normal(controls), None, _ones(background))
  target = np.zeros_like(sums)
  target[0] = background.total
  factor = background.at_points(_combined(controls), _solution(gram, target - sums))[:, 0] + 1
  spread, volume = background.integral(_deviation, None, factor)
  new = background.with_volume(background.rows.volume * factor)
  return Calibrated(new, float(np.sqrt(spread / volume)), float(jnp.min(factor)))


def unexplained(background: Background, controls: Controls, f: jax.Array) -> tuple[jax.Array, int]:
  """What controls leave of functions f (B, R) at points: f - beta . h, by least squares.

  With calibrated weights the integral of f is that of f - beta . h, up to a constant known exactly:
  its statistical error is that of this rest.

  Returns:
    The rest (B, R), and the number of unknowns in beta.
  """
  gram, sums = background.integral(_normal(controls), None, f)
  rest = f - background.at_points(_combined(controls), _solution(gram, sums))
  return rest, len(gram)


def _solution(gram, rhs):
  values, vectors = np.linalg.eigh(gram)
  kept = values > _CUTOFF * values[-1]
  return (vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ rhs)


def _ones(background):
  return jnp.ones_like(background.rows.volume)[:, None]


def _deviation(_, rows, factor):
  return rows.volume @ (factor - 1) ** 2, jnp.sum(rows.volume)


@functools.lru_cache(maxsize=16)
def _normal(controls):
  def sums(_, rows, f):
    h = _with_one(controls(rows))
    weighted = rows.volume[:, None] * h
    return weighted.T @ h, weighted.T @ f

  return sums


@functools.lru_cache(maxsize=16)
def _combined(controls):
  return lambda c, rows: _with_one(controls(rows)) @ c


def _with_one(h):
  return jnp.concatenate([jnp.ones_like(h[:, :1]), h], axis=1)
