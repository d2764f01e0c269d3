"""Homogeneous polynomials as static exponent and coefficient tables."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

from trainer.errors import UserError
from trainer.geometry import monomials

# Terms of one polynomial, and of several evaluated together, that are written out one by one. More
# run a few times slower as arrays, but compile in a second instead of in minutes.
_WRITTEN_OUT, _WRITTEN_OUT_TOGETHER = 150, 450


@dataclasses.dataclass(frozen=True)
class Polynomial:
  """Q(z) = sum_m c_m prod_i z_i^{e_mi}, hashable and therefore usable as a static argument.

  Attributes:
    exponents: M rows of N non-negative integers.
    coefficients: M complex numbers.

  Raises:
    UserError: the table is empty, ragged, or has an exponent that is not a natural number.
  """

  exponents: tuple[tuple[int, ...], ...]
  coefficients: tuple[complex, ...]

  def __post_init__(self):
    if len(self.exponents) != len(self.coefficients):
      raise UserError(
        f"a polynomial has {len(self.exponents)} rows of exponents but "
        f"{len(self.coefficients)} coefficients; give one coefficient to each row"
      )
    if len({len(row) for row in self.exponents}) > 1:
      raise UserError(
        "the rows of a polynomial's exponents differ in length; give every row "
        "one exponent for each coordinate"
      )
    if any(int(e) != e or e < 0 for row in self.exponents for e in row):
      raise UserError("a polynomial's exponents must be whole numbers, 0 or more")
    object.__setattr__(
      self, "exponents", tuple(tuple(int(e) for e in row) for row in self.exponents)
    )
    object.__setattr__(self, "coefficients", tuple(complex(c) for c in self.coefficients))

  @property
  def num_coordinates(self) -> int:
    """N, the number of homogeneous coordinates; 0 if there are no terms."""
    return len(self.exponents[0]) if self.exponents else 0

  def __call__(self, z):
    """Value at z, of shape (N, ...), coordinates on axis 0, numpy or jax -> shape (...).

    Nested Horner form over shared powers: a dense quintic costs about one multiplication a
    monomial, the Fermat quintic three a coordinate. Hundreds of terms: see `monomials`.
    """
    if not self.exponents:
      return z[0] * 0
    if len(self.exponents) > _WRITTEN_OUT:
      return monomials.evaluate((self.terms,), z)[0]
    terms = tuple(zip(self.exponents, self.coefficients))
    value = _horner(terms, 0, _Powers(z))
    return value + 0 * z[0] if isinstance(value, (float, complex)) else value

  @property
  def terms(self) -> monomials.Terms:
    """Exponents and coefficients."""
    return self.exponents, self.coefficients

  def partial(self, i: int) -> Polynomial:
    """dQ/dz_i."""
    terms = [(row, c) for row, c in zip(self.exponents, self.coefficients) if row[i]]
    return Polynomial(
      tuple(tuple(e - (j == i) for j, e in enumerate(row)) for row, _ in terms),
      tuple(c * row[i] for row, c in terms),
    )

  def absolute(self) -> Polynomial:
    """sum_m |c_m| z^m; at |z| it bounds |Q| and scales its rounding error."""
    return Polynomial(self.exponents, tuple(abs(c) for c in self.coefficients))

  def multidegree(self, ambient: Sequence[int]) -> tuple[int, ...]:
    """Degree in the coordinates of each factor.

    Args:
      ambient: (n_1, ..., n_m), dimensions of the projective spaces.

    Returns:
      m degrees.

    Raises:
      UserError: wrong number of variables, no terms, or inhomogeneous.
    """
    if not self.exponents or not any(self.coefficients):
      raise UserError("a polynomial is identically zero; give it at least one non-zero term")
    expected = sum(n + 1 for n in ambient)
    if self.num_coordinates != expected:
      raise UserError(
        f"a polynomial has {self.num_coordinates} variables, but the ambient space "
        f"{_space(ambient)} has {expected} homogeneous coordinates"
      )
    degrees = [_row_degree(row, ambient) for row in self.exponents]
    for row, degree in zip(self.exponents, degrees):
      if degree != degrees[0]:
        raise UserError(
          f"inhomogeneous polynomial: {monomial(row)} has degree {_degree_text(degree)} but "
          f"{monomial(self.exponents[0])} has degree {_degree_text(degrees[0])}; all terms must "
          "have the same degree in each factor"
        )
    return degrees[0]

  def __str__(self):
    return " + ".join(
      f"({c:g})*{monomial(row)}" for row, c in zip(self.exponents, self.coefficients)
    )


def evaluate(polynomials: Sequence[Polynomial], z):
  """The values of polynomials at the same points.

  Args:
    polynomials: P of them, in N variables.
    z: (N, ...), coordinates on axis 0, numpy or jax.

  Returns:
    P arrays (...), as a list or as one array (P, ...).
  """
  if sum(len(q.exponents) for q in polynomials) > _WRITTEN_OUT_TOGETHER:
    return monomials.evaluate(tuple(q.terms for q in polynomials), z)
  return [q(z) for q in polynomials]


def monomial(row: Sequence[int]) -> str:
  """Readable monomial, (5, 0, 1) -> "z0^5*z2"."""
  parts = [f"z{i}" if e == 1 else f"z{i}^{e}" for i, e in enumerate(row) if e]
  return "*".join(parts) or "1"


def _row_degree(row, ambient):
  degrees, start = [], 0
  for n in ambient:
    degrees.append(sum(row[start : start + n + 1]))
    start += n + 1
  return tuple(degrees)


def _degree_text(degree):
  return str(degree[0]) if len(degree) == 1 else str(degree)


def _space(ambient):
  return " x ".join(f"P^{n}" for n in ambient)


class _Powers:
  """z_i^k, each computed once, by halving k."""

  def __init__(self, z):
    self._z = z
    self._known = {}

  def __call__(self, i, k):
    if k == 1:
      return self._z[i]
    if (i, k) not in self._known:
      self._known[i, k] = self(i, k // 2) * self(i, k - k // 2)
    return self._known[i, k]


def _horner(terms, i, powers):
  """Sum of terms as a polynomial in z_i with coefficients in z_{i+1}, ...; scalars stay scalars."""
  if i == len(terms[0][0]):
    total = sum(c for _, c in terms)
    return total.real if total.imag == 0 else total
  groups = {}
  for row, c in terms:
    groups.setdefault(row[i], []).append((row, c))
  exponents = sorted(groups, reverse=True)
  value = _horner(groups[exponents[0]], i + 1, powers)
  for high, low in zip(exponents, exponents[1:]):
    value = _times(value, powers(i, high - low)) + _horner(groups[low], i + 1, powers)
  return _times(value, powers(i, exponents[-1])) if exponents[-1] else value


def _times(value, power):
  # Most coefficients are 1: no multiplication then.
  return power if isinstance(value, float) and value == 1.0 else value * power
