"""Complex functions that turn by one phase under the diagonal symmetries of sparse polynomials.

The phases z_i -> exp(i a_i) z_i that keep every Q_a up to a factor are those on which the
differences of the exponents of each Q_a, which span a lattice L, vanish mod 2 pi. A function
z^A conj(z^B) / norm turns by the class of A - B mod L, its charge. Along Q_a + t P_a the phases
that turn all of P_a / Q_a alike turn t: L has the differences of exponents of P_a / Q_a too, and
t f is invariant if f has their class. Dense polynomials have one class only.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.quadrature import calibrate
from trainer.quadrature.background import Background
from trainer.quadrature.functions import Frame, Functions

# As trainer.quadrature.least_squares has it.
_CUTOFF = 1e-11


class Pairs(NamedTuple):
  """Functions f_j = s_A conj(s_B) / norm of one charge.

  Attributes:
    left: A of each, M whole numbers.
    right: B.
  """

  left: tuple[int, ...]
  right: tuple[int, ...]


def pairs(
  variety: Variety, functions: Functions, direction: tuple[Polynomial, ...] | None = None
) -> Pairs:
  """The functions with the charge of f, t f invariant; of charge 0 without a direction."""
  rows = [_exponents(q) for q in variety.polynomials]
  lattice = [row - row[0] for row in rows]
  charge = np.zeros(variety.num_coordinates, int)
  if direction is not None:
    rates = [_exponents(p) - row[0] for p, row in zip(direction, rows, strict=True)]
    rates = np.concatenate([rate for rate in rates if len(rate)])
    charge = rates[0]
    lattice.append(rates - charge)
  basis = _echelon(np.concatenate(lattice))
  leading = np.argmax(np.abs(functions.basis.coefficients), axis=0)
  exponents = np.array(functions.basis.exponents)[leading]
  size = len(exponents)
  differences = (exponents[:, None] - exponents[None]).reshape(size * size, -1)
  same = np.all(_reduce(basis, differences) == _reduce(basis, charge[None]), axis=1)
  left, right = np.divmod(np.flatnonzero(same), size)
  return Pairs(tuple(left.tolist()), tuple(right.tolist()))


def box_features(frame: Frame, chosen: Pairs) -> jax.Array:
  """Box f_j (B, M) complex."""
  e = jax.lax.complex(*jnp.split(frame.e, 2, axis=-1))
  products = e[..., np.array(chosen.left)] * e[..., np.array(chosen.right)].conj()
  return jnp.sum(products[:, 1:], axis=1) - frame.trace[:, None] * products[:, 0]


@functools.lru_cache(maxsize=32)
def controls(variety: Variety, functions: Functions) -> calibrate.Controls:
  """Box f of the real functions of charge 0, as trainer.quadrature.calibrate takes them.

  They are all it takes where means over the phases of the variety are taken at every point.
  """
  chosen = pairs(variety, functions)
  left, right = np.array(chosen.left), np.array(chosen.right)
  upper, both = left <= right, left < right

  def boxes(rows):
    f = box_features(functions.frame(rows), chosen)
    return jnp.concatenate([f.real[:, upper], f.imag[:, both]], axis=1)

  return boxes


def forms(chosen: Pairs, coefficients: np.ndarray, size: int) -> np.ndarray:
  """(R, M) -> C (R, N_k, N_k) complex, sum_j c_j f_j = sum_AB conj(s_A) C_AB s_B / norm."""
  c = np.zeros((len(coefficients), size, size), complex)
  c[:, chosen.right, chosen.left] = coefficients
  return c


def solve(
  background: Background, functions: Functions, chosen: Pairs, rhs: jax.Array
) -> np.ndarray:
  """Least squares of Box f - rhs up to a constant, by the normal equations.

  Args:
    background: points to fit.
    functions: what f are made of.
    chosen: the functions f_j.
    rhs: (B, R) complex, sharded like the points.

  Returns:
    (R, M) complex coefficients; constants and relations are left at their least.
  """
  parts = jnp.concatenate([rhs.real, rhs.imag], axis=1)
  gram, moments = background.integral(_normal(functions, chosen), None, parts)
  m, r = 1 + len(chosen.left), rhs.shape[1]
  gram = gram[:m, :m] + gram[m:, m:] + 1j * (gram[:m, m:] - gram[m:, :m])
  real, imaginary = moments[:, :r], moments[:, r:]
  b = real[:m] + imaginary[m:] + 1j * (imaginary[:m] - real[m:])
  # Free of the constant, the first function.
  share = gram[1:, 0] / gram[0, 0].real
  gram, b = gram[1:, 1:] - np.outer(share, gram[0, 1:]), b[1:] - np.outer(share, b[0])
  values, vectors = np.linalg.eigh(gram)
  kept = values > _CUTOFF * values[-1]
  return ((vectors[:, kept] / values[kept]) @ (vectors[:, kept].conj().T @ b)).T


@functools.lru_cache(maxsize=16)
def _normal(functions, chosen):
  """Real products of [Re | Im] of (1, Box f_j) among each other and with the right-hand sides."""

  def sums(_, rows, rhs):
    f = box_features(functions.frame(rows), chosen)
    f = jnp.concatenate([jnp.ones_like(f[:, :1]), f], axis=1)
    f = jnp.concatenate([f.real, f.imag], axis=1)
    weighted = rows.volume[:, None] * f
    return weighted.T @ f, weighted.T @ rhs

  return sums


def _exponents(q: Polynomial) -> np.ndarray:
  """(M, N) of the terms that are there."""
  kept = [row for row, c in zip(q.exponents, q.coefficients, strict=True) if c]
  return np.array(kept, int).reshape(len(kept), q.num_coordinates)


def _echelon(rows: np.ndarray) -> list[np.ndarray]:
  """A basis of the lattice of integer rows, each with a positive pivot right of the last one's."""
  rows, basis = [row.copy() for row in rows if row.any()], []
  for column in range(rows[0].size if rows else 0):
    while True:
      here = [row for row in rows if row[column]]
      if len(here) < 2:
        break
      pivot = min(here, key=lambda row: abs(row[column]))
      for row in here:
        if row is not pivot:
          row -= row[column] // pivot[column] * pivot
    if here:
      basis.append(here[0] * np.sign(here[0][column]))
      rows = [row for row in rows if row is not here[0] and row.any()]
  return basis


def _reduce(basis: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
  """The representatives (M, N) of rows modulo the lattice."""
  rows = rows.copy()
  for row in basis:
    column = np.flatnonzero(row)[0]
    rows -= (rows[:, column] // row[column])[:, None] * row
  return rows
