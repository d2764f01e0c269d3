"""Complex functions with the symmetries of a deformation, and Poisson's equation for them.

Few functions f_AB, and sums of them over orbits of permutations, are left where polynomials are
sparse (trainer.quadrature.charges); the Ricci-flat metric has the symmetries of its manifold.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry import sections
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.quadrature import calibrate
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background
from trainer.quadrature.charges import Charges, permutations
from trainer.quadrature.functions import Frame, Functions

# As trainer.quadrature.least_squares has it.
_CUTOFF = 1e-11
# Singular values below this part of the largest belong to relations.
_DEPENDENT = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class Charged:
  """Independent functions f_p = sum_j weights_jp s_{left_j} conj(s_{right_j}) / norm.

  Attributes:
    functions: of what degree.
    left, right: (M,) whole numbers.
    weights: (M, P) complex, orthonormal; None for 1.
  """

  functions: Functions
  left: np.ndarray
  right: np.ndarray
  weights: np.ndarray | None = None

  @property
  def count(self) -> int:
    """P."""
    return len(self.left) if self.weights is None else self.weights.shape[1]

  def box_features(self, frame: Frame) -> jax.Array:
    """Box f_p (B, P) complex."""
    e = jax.lax.complex(*jnp.split(frame.e, 2, axis=-1))
    products = e[..., self.left] * e[..., self.right].conj()
    f = jnp.sum(products[:, 1:], axis=1) - frame.trace[:, None] * products[:, 0]
    return f if self.weights is None else f @ self.weights

  def forms(self, coefficients: np.ndarray) -> np.ndarray:
    """(R, P) -> C (R, N_k, N_k) complex, sum_p c_p f_p = sum_AB conj(s_A) C_AB s_B / norm."""
    size = self.functions.size
    c = np.zeros((len(coefficients), size, size), complex)
    flat = coefficients if self.weights is None else coefficients @ self.weights.T
    c[:, self.right, self.left] = flat
    return c


@functools.lru_cache(maxsize=64)
def pairs(
  variety: Variety, degree: int, direction: tuple[Polynomial, ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
  """A and B (M,) of the f_AB of a degree that have the phases of `of_degree`."""
  basis = fields.of_degree(variety, degree).basis
  # Sections are combinations of monomials of one charge.
  leading = np.argmax(np.abs(basis.coefficients), axis=0)
  return Charges(variety, direction).pairs(basis.exponents[leading])


@functools.lru_cache(maxsize=64)
def of_degree(
  variety: Variety, degree: int, direction: tuple[Polynomial, ...] | None = None
) -> Charged:
  """The functions of a degree that may be f along a direction; without one, the invariant ones."""
  functions, rows = fields.of_degree(variety, degree), permutations(variety, direction)
  left, right = pairs(variety, degree, direction)
  if len(rows) == 1:
    return Charged(functions, left, right)
  basis = functions.basis
  first, second = Charges(variety, direction).pairs(basis.exponents)
  orbit = _orbits(basis.exponents, first, second, rows)
  # Monomials v = U s on the manifold.
  u = sections.unitary(variety.ambient, basis)
  sums = np.zeros((orbit.max(initial=-1) + 1, len(left)), complex)
  np.add.at(sums, orbit, u[first][:, left] * u[second][:, right].conj())
  return Charged(functions, left, right, _range(sums.T))


@functools.lru_cache(maxsize=32)
def controls(variety: Variety, degree: int) -> calibrate.Controls:
  """Box f of the real invariant functions, as trainer.quadrature.calibrate takes them.

  They are all it takes where means over the symmetries of the variety are taken at every point.
  """
  chosen = of_degree(variety, degree)
  weights = np.eye(len(chosen.left)) if chosen.weights is None else chosen.weights
  # The conjugate of f_AB is f_BA: the real and imaginary part of each function, as vectors of R^2M.
  swap = np.lexsort((chosen.left, chosen.right))
  assert np.array_equal(chosen.left[swap], chosen.right)
  parts = [(c + c.conj()[swap]) / 2 for c in (weights, 1j * weights)]
  both = np.concatenate(parts, axis=1)
  real = _range(np.concatenate([both.real, both.imag]))
  m = len(swap)
  chosen = dataclasses.replace(chosen, weights=real[:m] + 1j * real[m:])
  return lambda rows: chosen.box_features(chosen.functions.frame(rows)).real


def solve(background: Background, chosen: Charged, rhs: jax.Array) -> np.ndarray:
  """Least squares of Box f - rhs up to a constant, by the normal equations.

  Args:
    background: points to fit.
    chosen: the functions f_p.
    rhs: (B, R) complex, sharded like the points.

  Returns:
    (R, P) complex coefficients; constants and relations are left at their least.
  """
  if not chosen.count:
    return np.zeros((rhs.shape[1], 0), complex)
  parts = jnp.concatenate([rhs.real, rhs.imag], axis=1)
  which = chosen.left, chosen.right, chosen.weights
  gram, moments = background.integral(_normal(chosen.functions), which, parts)
  m, r = 1 + chosen.count, rhs.shape[1]
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
def _normal(functions):
  """Real products of [Re | Im] of (1, Box f_p) among each other and with the right-hand sides.

  Which f_p these are is data: many directions have as many of them, and share a program.
  """

  def sums(which, rows, rhs):
    f = Charged(functions, *which).box_features(functions.frame(rows))
    f = jnp.concatenate([jnp.ones_like(f[:, :1]), f], axis=1)
    f = jnp.concatenate([f.real, f.imag], axis=1)
    weighted = rows.volume[:, None] * f
    return weighted.T @ f, weighted.T @ rhs

  return sums


def _orbits(exponents, first, second, rows):
  """Numbers (Q,) of the orbits of pairs of monomials under permutations of coordinates."""
  index = {tuple(row): i for i, row in enumerate(exponents)}
  size, label = len(exponents), np.full(len(first), np.iinfo(int).max)
  for row in rows:
    to = np.array([index[tuple(image)] for image in exponents[:, list(row)]])
    label = np.minimum(label, to[first] * size + to[second])
  return np.unique(label, return_inverse=True)[1].ravel()


def _range(matrix):
  """An orthonormal basis (M, P) of the span of columns."""
  if not matrix.size:
    return matrix[:, :0]
  u, values, _ = np.linalg.svd(matrix, full_matrices=False)
  return u[:, values > _DEPENDENT * values[0]]
