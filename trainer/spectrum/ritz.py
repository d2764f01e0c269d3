"""Eigenfunctions of the Laplacian among functions f_i: S c = lambda M c.

  M_ij = integral f_i f_j dvol,
  S_ij = integral f_i Delta f_j dvol = 4 integral Re g^{a bbar} d_a f_i dbar_b f_j dvol.

The values are upper bounds of the true ones where integrals are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from trainer.quadrature import functions as fields
from trainer.quadrature import products
from trainer.quadrature.background import Background
from trainer.quadrature.functions import Functions

# Eigenvalues of M below this part of the largest belong to relations between functions.
_CUTOFF = 1e-9


class Modes(NamedTuple):
  """The lowest L eigenfunctions, of integral u^2 dvol = 1.

  Attributes:
    values: (L,), eigenvalues, ascending.
    forms: (L, N_k, N_k) real, see trainer.quadrature.functions.
    complete: whether these are all that there are.
  """

  values: np.ndarray
  forms: np.ndarray
  complete: bool


class Found(NamedTuple):
  """What is found in two halves of the points.

  Attributes:
    modes: of all points.
    of_halves: values of each half, at least as many.
  """

  modes: Modes
  of_halves: list[np.ndarray]


class Grams(NamedTuple):
  """M and S, (N_k^2, N_k^2) each."""

  mass: np.ndarray
  stiffness: np.ndarray


def find(halves: Sequence[Background], functions: Functions, count: int) -> Found:
  """The lowest `count` eigenfunctions of two halves of the points together, and each by itself."""
  matrices = [grams(half, functions) for half in halves]
  both = Grams(*(np.mean(m, axis=0) for m in zip(*matrices)))
  return Found(solve(both, count), [solve(m, count).values for m in matrices])


def grams(background: Background, functions: Functions) -> Grams:
  """All-reduced M and S of all functions of a degree."""
  return Grams(*map(products.matrix, background.integral(_products(functions))))


def solve(matrices: Grams, count: int) -> Modes:
  """The lowest `count` eigenfunctions, or as many as there are."""
  values, vectors, rank = eigenvectors(matrices, count)
  side = round(len(matrices.mass) ** 0.5)
  return Modes(values, vectors.T.reshape(-1, side, side), len(values) == rank)


def eigenvectors(matrices: Grams, count: int) -> tuple[np.ndarray, np.ndarray, int]:
  """The lowest `count` values (L,) with vectors (M, L), c^T M c = 1, and how many there are."""
  size = len(matrices.mass)
  chex.assert_shape(list(matrices), (size, size))
  norms, vectors = np.linalg.eigh(matrices.mass)
  kept = norms > _CUTOFF * norms[-1]
  basis = vectors[:, kept] / np.sqrt(norms[kept])
  last = min(count, basis.shape[1])
  values, vectors = scipy.linalg.eigh(
    basis.T @ matrices.stiffness @ basis, subset_by_index=[0, last - 1]
  )
  return values, basis @ vectors, basis.shape[1]


def defects(background: Background, functions: Functions, modes: Modes) -> jax.Array:
  """4 |d u|^2 - lambda u^2 of eigenfunctions at points, (B, L).

  Their integrals vanish; to first order an eigenvalue is wrong by what quadrature makes of its one.
  """
  return background.at_points(_defects(functions), (modes.values, modes.forms))


@functools.lru_cache(maxsize=16)
def _products(functions):
  def sums(_, rows):
    frame = functions.frame(rows)
    slopes = fields.slope_features(frame)
    weights = 4 * jnp.repeat(rows.volume, slopes.shape[1])
    stiffness = products.halves(slopes.reshape(-1, slopes.shape[2]), weights)
    return products.halves(fields.value_features(frame), rows.volume), stiffness

  return sums


@functools.lru_cache(maxsize=16)
def _defects(functions):
  def at(params, rows):
    values, forms = params
    u, slopes = fields.values(functions.frame(rows), forms)
    return 4 * jnp.sum(jnp.abs(slopes) ** 2, axis=1) - values * u**2

  return at
