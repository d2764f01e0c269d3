"""Exact topology of line bundles O(k_1, .., k_m) on a complete intersection, and of their sums.

A sum of line bundles is a sequence of rows k, one for each. c_1(O(k)) = sum_i k_i J_i.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import math

import numpy as np

from trainer.geometry import topology
from trainer.geometry.topology import Degrees

Bundles = Sequence[Sequence[int]]

_STARTS, _ITERATIONS = 20, 60
# A slope this small, relative to what its terms are, is rounding.
_ROUNDING = 1e-12
# Kaehler moduli further apart are at the end of the cone.
_WIDEST = 1e3


def slope(
  ambient: Sequence[int], degrees: Degrees, moduli: Sequence[float], bundle: Sequence[int]
) -> float:
  """integral of c_1 ^ omega^{n-1} / (n-1)! = sum_i k_i V_i, V_i = d Vol / d t_i."""
  gradient = topology.volume_gradient(ambient, degrees, moduli)
  return sum(k * v for k, v in zip(bundle, gradient, strict=True))


def index(ambient: Sequence[int], degrees: Degrees, bundle: Sequence[int]) -> int:
  """chi(O(k)) = sum_q (-1)^q h^q = integral of ch(O(k)) td(X).

  It is that of the ambient space, chi(O(d)) = prod_i (d_i + 1) .. (d_i + n_i) / n_i!, summed over
  the Koszul resolution: sum over sets S of polynomials of (-1)^|S| chi(O(k - sum_{a in S} q_a)).
  """
  columns = list(zip(*degrees, strict=True))
  total = 0
  for size in range(len(columns) + 1):
    for chosen in itertools.combinations(columns, size):
      rest = [k - sum(q[i] for q in chosen) for i, k in enumerate(bundle)]
      total += (-1) ** size * math.prod(map(_index_of_space, ambient, rest))
  return total


def first_chern(bundles: Bundles) -> tuple[int, ...]:
  """c_1 of a sum, in the basis J_i."""
  return tuple(map(sum, zip(*bundles, strict=True)))


def second_chern(
  ambient: Sequence[int], degrees: Degrees, bundles: Bundles
) -> dict[tuple[int, ...], int]:
  """integral of c_2 J_i .. J_j (n - 2 factors) of a sum, for all i <= .. <= j.

  c_2 = sum_{a < b} c_1(L_a) c_1(L_b) = (c_1^2 - sum_a c_1(L_a)^2) / 2.
  """
  m, n = len(ambient), sum(ambient) - len(degrees[0])
  numbers = topology.intersection_numbers(ambient, degrees)
  rows = np.array(bundles)
  twice = np.outer(rows.sum(0), rows.sum(0)) - rows.T @ rows
  found = {}
  for rest in itertools.combinations_with_replacement(range(m), n - 2) if n >= 2 else ():
    number = lambda i, j: numbers[tuple(sorted((i, j, *rest)))]
    found[rest] = int(sum(c * number(i, j) for (i, j), c in np.ndenumerate(twice))) // 2
  return found


def five_branes(
  ambient: Sequence[int], degrees: Degrees, bundles: Bundles
) -> dict[tuple[int, ...], int]:
  """integral of (c_2(X) - c_2(V)) J_i .. J_j: the class of five-branes that cancel the anomaly.

  All of these numbers are 0 or more if it is effective; on a threefold whose Kaehler cone is that
  of the ambient space that is enough.
  """
  own = second_chern(ambient, degrees, bundles)
  return {i: number - own[i] for i, number in topology.c2(ambient, degrees).items()}


def vanishing_slopes(
  ambient: Sequence[int], degrees: Degrees, bundles: Bundles
) -> tuple[np.ndarray, int] | None:
  """A place in the cone t_i > 0 where all slopes vanish, as a polystable sum with c_1 = 0 needs.

  Newton's method in log t from fixed starts; rows of the derivative that depend on others do no
  harm.

  Returns:
    t (m,), with product 1, and the dimension of the places around it, the scale of t included;
    None if none is found with moduli less than a factor of 1,000 apart.
  """
  rows = np.array(bundles, float)
  rows = rows[np.any(rows != 0, axis=1)]
  if np.any(np.all(rows >= 0, axis=1) | np.all(rows <= 0, axis=1)):
    return None  # All V_i are positive.
  rng = np.random.default_rng(0)
  for start in np.concatenate(
    [np.zeros((1, len(ambient))), rng.normal(size=(_STARTS, len(ambient)))]
  ):
    s = start
    for _ in range(_ITERATIONS):
      t = np.exp(s)
      gradient = np.array(topology.volume_gradient(ambient, degrees, t))
      size = np.abs(rows) @ gradient
      error = rows @ gradient / size
      slopes = rows @ (np.array(topology.volume_hessian(ambient, degrees, t)) * t) / size[:, None]
      if np.max(np.abs(error), initial=0) < _ROUNDING:
        return t, len(t) - int(np.linalg.matrix_rank(slopes, tol=1e-8))
      step = -np.linalg.lstsq(slopes, error, rcond=1e-8)[0]
      s = s + step * min(1, 1 / max(np.max(np.abs(step)), _ROUNDING))
      s = s - np.mean(s)
      if np.ptp(s) > math.log(_WIDEST):
        break
  return None


def _index_of_space(n, d):
  """(d + 1) .. (d + n) / n!."""
  return math.prod(d + i for i in range(1, n + 1)) // math.factorial(n)
