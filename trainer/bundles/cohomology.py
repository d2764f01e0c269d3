"""Classes of H^1(X, O(k)) as explicit (0, 1)-forms, from the ambient space A of a variety X.

By Koszul's resolution they come from H^1(A, O(k)), type 1, or from H^2(A, O(k - q)), type 2, q the
multidegree of a polynomial p (Blesneag, Buchbinder, Candelas, Lukas, arXiv:1512.05322). With
eps_j = conj(x_0 dx_1 - x_1 dx_0) on a factor P^1 all of them are forms

  nu = sum_mn C_mn z^m conj(z^n) eps_j / prod_i |z^(i)|^(2 b_i),

of type 1 (P a polynomial in the other factors) and of type 2 (omega has two factors i and j)

  nu = P conj(Q(x_j)) eps_j / |x_j|^(2 b),   dbar nu = 0,
  dbar nu = p omega,   omega = P conj(Q(x_i) R(x_j)) eps_i ^ eps_j / |x_i|^(2 c) |x_j|^(2 b),

b = -degree in x_j. There p conj(Q) eps_i / |x_i|^(2c) = dbar s: for T of degree m in conj(x)

  dbar (T / |x|^(2m)) = (x_0 d/dconj(x_1) - x_1 d/dconj(x_0)) T eps / |x|^(2m + 2),

an equation for coefficients that has a solution where k_i >= -1.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import itertools
from typing import NamedTuple

import numpy as np

from trainer.errors import UserError
from trainer.geometry.sections import monomials
from trainer.geometry.variety import Variety


class Forms(NamedTuple):
  """Forms nu_1, .., nu_R along one factor; b is such that they have degree k.

  Attributes:
    factor: j, a P^1.
    holomorphic: (M, N) int, exponents m.
    conjugate: (M', N) int, exponents n.
    coefficients: (R, M, M') complex, C.
  """

  factor: int
  holomorphic: np.ndarray
  conjugate: np.ndarray
  coefficients: np.ndarray


class Source(NamedTuple):
  """A cohomology of A that classes come from: z^m conj(z^n) eps_j / .. or .. eps_i ^ eps_j / ..

  Attributes:
    polynomials: their numbers, none for type 1, one for type 2.
    factors: (j,), or (i, j) with k_i >= -1.
    holomorphic: (M, N) int, exponents m of all classes.
    conjugate: (M', N) int, exponents n; a class is an m and an n, n fastest.
  """

  polynomials: tuple[int, ...]
  factors: tuple[int, ...]
  holomorphic: np.ndarray
  conjugate: np.ndarray


@functools.lru_cache(maxsize=32)
def classes(variety: Variety, bundle: tuple[int, ...]) -> tuple[Forms, ...]:
  """A basis of H^1(X, O(k)), one for each of its sources; () if it vanishes.

  Raises:
    UserError: see `sources`.
  """
  made = []
  for source in sources(variety, bundle):
    of_type = _second_type if source.polynomials else _first_type
    made.append(of_type(variety, bundle, source))
  return tuple(made)


@functools.lru_cache(maxsize=32)
def sources(variety: Variety, bundle: tuple[int, ...]) -> tuple[Source, ...]:
  """Where H^1(X, O(k)) comes from, type 1 first.

  Raises:
    UserError: maps between cohomologies of A enter, or classes of another type.
  """
  ambient, k = variety.ambient, variety.codimension
  rest = lambda s: [d - sum(row[a] for a in s) for d, row in zip(bundle, variety.degrees)]
  subsets = [s for r in range(k + 1) for s in itertools.combinations(range(k), r)]
  # H^q(A, O(k - sum of r multidegrees)) becomes a part of H^(q - r)(X, O(k)).
  degrees = {s: _degree(ambient, rest(s)) for s in subsets}
  found = {s: q - len(s) for s, q in degrees.items() if q is not None}
  name = "O(" + ", ".join(map(str, bundle)) + ")"
  for s, t in itertools.product(found, found):
    if len(t) < len(s) and found[t] == found[s] + 1 and found[s] in (0, 1):
      raise UserError(f"H^1 of {name} is a kernel or a quotient: such classes are not built")
  made = []
  for s in (s for s in subsets if found.get(s) == 1):
    factors = sorted((i for i, d in enumerate(rest(s)) if d < 0), key=lambda i: bundle[i] < -1)
    if len(s) > 1 or any(ambient[i] > 1 for i in factors):
      raise UserError(f"H^1 of {name} has classes that do not come from factors P^1: not built")
    left = [max(d, 0) for d in rest(s)]
    right = [max(-d - 2, 0) for d in rest(s)]
    made.append(Source(s, tuple(factors), monomials(ambient, left), monomials(ambient, right)))
  return tuple(made)


def dimension(variety: Variety, bundle: tuple[int, ...]) -> int:
  """h^1(X, O(k))."""
  return sum(len(s.holomorphic) * len(s.conjugate) for s in sources(variety, bundle))


def _first_type(variety, bundle, source):
  """P conj(Q(x_j)) eps_j / |x_j|^(2 b), b = -k_j."""
  del variety, bundle
  size = len(source.holomorphic), len(source.conjugate)
  one = np.eye(size[0] * size[1]).reshape(-1, *size) + 0j
  return Forms(*source.factors, source.holomorphic, source.conjugate, one)


def _second_type(variety, bundle, source):
  """nu with dbar nu = p omega for all monomials omega."""
  (a,), (i, j) = source.polynomials, source.factors
  polynomial, at_i = variety.polynomials[a], variety.factor_slices[i]
  # T has one degree more in conj(x_i) than omega.
  left, right = list(bundle), [0] * len(bundle)
  m = right[i] = variety.degrees[i][a] - bundle[i] - 1
  left[i], left[j] = m + bundle[i], variety.degrees[j][a]
  right[j] = variety.degrees[j][a] - bundle[j] - 2
  holomorphic, conjugate = monomials(variety.ambient, left), monomials(variety.ambient, right)
  row, column = ({tuple(e): n for n, e in enumerate(rows)} for rows in (holomorphic, conjugate))
  solved = functools.lru_cache(_solve)
  made = []
  for factor, bar in itertools.product(source.holomorphic, source.conjugate):
    c = np.zeros((len(row), len(column)), complex)
    for term, value in zip(np.array(polynomial.exponents), polynomial.coefficients, strict=True):
      for z_i, zbar_i, part in solved(m, bundle[i], term[at_i][1], bar[at_i][1]):
        z, zbar = term + factor, bar.copy()
        z[at_i], zbar[at_i] = z_i, zbar_i
        c[row[tuple(z)], column[tuple(zbar)]] += value * part
    made.append(c)
  return Forms(j, holomorphic, conjugate, np.array(made))


def _solve(m, k, power, bar_power):
  """Terms of the least T of degrees m + k, m with D T = x_1^power conj(x_1)^bar_power, others x_0.

  D = x_0 d/dconj(x_1) - x_1 d/dconj(x_0) takes x^(a) conj(x)^(b), numbers of factors x_1, to
  b x^(a) conj(x)^(b-1) - (m - b) x^(a+1) conj(x)^(b).
  """
  matrix = np.zeros((m + k + 2, m, m + k + 1, m + 1))
  for a, b in np.ndindex(m + k + 1, m + 1):
    if b > 0:
      matrix[a, b - 1, a, b] += b
    if b < m:
      matrix[a + 1, b, a, b] -= m - b
  target = np.zeros((m + k + 2, m))
  target[power, bar_power] = 1
  found = np.linalg.lstsq(matrix.reshape(target.size, -1), target.ravel(), rcond=1e-10)[0]
  return [
    ((m + k - a, a), (m - b, b), c)
    for (a, b), c in np.ndenumerate(found.reshape(m + k + 1, m + 1))
    if abs(c) > 1e-13
  ]


def _degree(ambient: Sequence[int], k: Sequence[int]) -> int | None:
  """The only q with H^q(A, O(k)) != 0, Bott's formula and Kuenneth's; None if there is none."""
  if any(-n <= d < 0 for n, d in zip(ambient, k, strict=True)):
    return None
  return sum(n for n, d in zip(ambient, k, strict=True) if d < 0)
