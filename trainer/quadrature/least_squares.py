"""Poisson's equation Box u = rhs in the span of functions, by least squares over points.

Minimises sum_p m_p (Box u - rhs)^2 over u = s* H s, m the quadrature weights: by the normal
equations where the unknowns are few, else by conjugate gradients on them, which never form a matrix
of N_k^2 columns. A complex right-hand side is two real ones.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.quadrature import conjugate_gradients
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background
from trainer.quadrature.functions import Functions

# Unknowns up to which the normal equations are solved.
DENSE = 3000
# Eigenvalues of the normal matrix below this part of the largest belong to relations: constants,
# and functions that vanish on the manifold.
_CUTOFF = 1e-11


class Fit(NamedTuple):
  """Solutions u_1, .., u_R.

  Attributes:
    h: (R, N_k, N_k) real, the form of each, see trainer.quadrature.functions.
    residual: (R,) rms of Box u - rhs over the manifold, on the points of the fit.
    heldout: (R,) the same on other points; nan without.
    iterations: of conjugate gradients; 0 if none were needed.
  """

  h: np.ndarray
  residual: np.ndarray
  heldout: np.ndarray
  iterations: int


def solve(
  background: Background,
  functions: Functions,
  rhs: jax.Array,
  heldout: tuple[Background, jax.Array] | None = None,
  *,
  iterations: int = 100,
  dense: int = DENSE,
  progress: Callable[[int, int], None] | None = None,
  kept: conjugate_gradients.Kept | None = None,
) -> Fit:
  """Fits u to Box u = rhs; constants, which u may be changed by, are left at their least.

  Args:
    background: points to fit.
    functions: what u is made of.
    rhs: (B, R) real, sharded like the points.
    heldout: other points and the right-hand sides there. Conjugate gradients end where the sum of
      squares there is least: more iterations fit the noise of the points.
    iterations: of conjugate gradients, at most.
    dense: unknowns up to which the normal equations are solved.
    progress: called with (iterations done, iterations at most).
    kept: where iterations are kept.
  """
  chex.assert_shape(rhs, (background.rows.volume.shape[0], None))
  if functions.count <= dense:
    h, count = _normal_equations(background, functions, rhs), 0
  else:
    h, count = _conjugate_gradients(background, functions, rhs, heldout, iterations, progress, kept)
  other = residual(heldout[0], functions, h, heldout[1]) if heldout else np.full(len(h), np.nan)
  return Fit(h, residual(background, functions, h, rhs), other, count)


def residual(
  background: Background, functions: Functions, h: np.ndarray, rhs: jax.Array
) -> np.ndarray:
  """The rms (R,) of Box u - rhs over the manifold."""
  sums, volume = background.integral(_squares(functions), h, rhs)
  return np.sqrt(sums / volume)


def _normal_equations(background, functions, rhs):
  gram, b = background.integral(_normal(functions), None, rhs)
  values, vectors = np.linalg.eigh(gram)
  kept = values > _CUTOFF * values[-1]
  h = (vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ b)
  return h.T.reshape(-1, functions.size, functions.size)


def _conjugate_gradients(background, functions, rhs, heldout, iterations, progress, kept):
  gradient = background.integral(_gradient(functions), None, rhs)
  product = lambda v: background.integral(_product(functions), v)
  error = lambda h: float(np.sum(residual(heldout[0], functions, h, heldout[1]) ** 2))
  return conjugate_gradients.solve(
    product, gradient, iterations, error if heldout else None, progress, kept
  )


@functools.lru_cache(maxsize=16)
def _squares(functions):
  def sums(h, rows, rhs):
    off = fields.box(functions.frame(rows), h) - rhs
    return rows.volume @ off**2, jnp.sum(rows.volume)

  return sums


@functools.lru_cache(maxsize=16)
def _normal(functions):
  def sums(_, rows, rhs):
    f = fields.box_features(functions.frame(rows))
    weighted = rows.volume[:, None] * f
    return weighted.T @ f, weighted.T @ rhs

  return sums


@functools.lru_cache(maxsize=16)
def _gradient(functions):
  def sums(_, rows, rhs):
    return fields.box_transposed(functions.frame(rows), rows.volume[:, None] * rhs)

  return sums


@functools.lru_cache(maxsize=16)
def _product(functions):
  def sums(h, rows):
    frame = functions.frame(rows)
    return fields.box_transposed(frame, rows.volume[:, None] * fields.box(frame, h))

  return sums
