"""Exact periods of sum_i c_i z_i^d + b prod_i z_i = 0 in P^{d-1}, Fermat's and Dwork's family.

With psi = -b / (d prod_i c_i^(1/d)), where |psi| < 1, and n = d - 2,

  f_k = sum_{m = k, k + d, ..} Gamma(m/d)^d (d psi)^(m - 1) / (m - 1)!,
  V = sum_{k = 1}^{d - 1} (-1)^(k - 1) sin(pi k / d)^d |f_k|^2,
  integral |Omega|^2 = V prod_i |c_i|^(-2/d) / (pi^2 d^(d - 1)),
  G = -d_psi dbar_psi log V,  kappa = pi^d d^n / (1 - psi^d),  y = |kappa| / (V G^(n/2)).

The symmetry z_0 -> exp(2 pi i / d) z_0 takes psi to exp(-2 pi i / d) psi: periods are power series
of one residue each, orthogonal, with the signs of the Hodge-Riemann relations; at psi = 0 their
norms are products of Gamma(k/d). Source: Candelas, de la Ossa, Green, Parkes (1991) for d = 5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety

# Beyond, the series take thousands of terms.
_LARGEST_PSI = 0.98
# What is left out of a series is exp(-40) of it.
_DIGITS = 40


class Exact(NamedTuple):
  """Along a parameter of the family.

  Attributes:
    g: the Weil-Petersson metric.
    y: the normalised Yukawa coupling.
  """

  g: float
  y: float


def exact_omega_integral(variety: Variety) -> float | None:
  """integral over X of |Omega|^2, with respect to the Lebesgue measure d^{2n}x; None if unknown."""
  member = _member(variety)
  if member is None:
    return None
  d = variety.num_coordinates
  powers, psi = member
  v = _volume(_periods(d, psi))
  return v * math.prod(abs(c) ** (-2 / d) for c in powers) / (math.pi**2 * d ** (d - 1))


def exact_moduli(variety: Variety, derivatives: tuple[Polynomial, ...]) -> Exact | None:
  """G and y along a parameter that only b depends on; None if unknown.

  Args:
    variety: the manifold.
    derivatives: of its polynomials by the parameter.
  """
  member = _member(variety)
  if member is None or set(derivatives[0].exponents) != {(1,) * variety.num_coordinates}:
    return None
  d, n = variety.num_coordinates, variety.dimension
  powers, psi = member
  rate = abs(sum(derivatives[0].coefficients)) / (d * math.prod(abs(c) ** (1 / d) for c in powers))
  periods = _periods(d, psi)
  v = _volume(periods)
  first = sum(sign * slope * np.conj(f) for sign, f, slope in periods)
  second = sum(sign * abs(slope) ** 2 for sign, _, slope in periods)
  g = abs(first / v) ** 2 - second / v
  kappa = math.pi**d * d**n / abs(1 - psi**d)
  return Exact(float(g * rate**2), float(kappa / (v * g ** (n / 2))))


def _member(variety: Variety) -> tuple[list[complex], complex] | None:
  """The coefficients c_i and psi; None of other manifolds."""
  d = variety.num_coordinates
  if len(variety.ambient) > 1 or variety.codimension > 1:
    return None
  (polynomial,) = variety.polynomials
  terms = dict(zip(map(tuple, polynomial.exponents), polynomial.coefficients, strict=True))
  b = terms.pop((1,) * d, 0.0)
  powers = [terms.pop(tuple(row), None) for row in (d * np.eye(d, dtype=int)).tolist()]
  if terms or None in powers:
    return None
  psi = -b / (d * np.prod(np.asarray(powers, complex) ** (1 / d)))
  return (powers, complex(psi)) if abs(psi) < _LARGEST_PSI else None


def _volume(periods) -> float:
  """V."""
  return sum(sign * abs(f) ** 2 for sign, f, _ in periods)


def _periods(d: int, psi: complex) -> list[tuple[float, complex, complex]]:
  """(-1)^(k - 1) sin(pi k / d)^d, f_k and df_k / dpsi, for each k."""
  count = 2 + int(_DIGITS / (-d * math.log(abs(psi)))) if psi else 2
  found = []
  for k in range(1, d):
    m = k + d * np.arange(count)
    ratios = np.prod(m[:, None] / (m[:, None] + np.arange(d)), axis=1)
    first = math.gamma(k / d) ** d * d ** (k - 1) / math.factorial(k - 1)
    coefficients = first * np.cumprod(np.concatenate([[1.0], ratios[:-1]]))
    value = np.sum(coefficients * np.power(psi, m - 1))
    slope = np.sum(coefficients * (m - 1) * np.power(psi, np.maximum(m - 2, 0)))
    found.append(((-1) ** (k - 1) * math.sin(math.pi * k / d) ** d, value, slope))
  return found
