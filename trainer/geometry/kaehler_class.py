"""A Kaehler class as a sum of classes of line bundles: t = sum_j c_j m_j, whole m_j >= 0, c_j > 0.

The potential sum_j (c_j / pi) log s_j* H_j s_j, s_j the sections of multidegree m_j, then lies in
the class t, whatever t is.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
import math

# Kaehler moduli with larger denominators would need degrees out of reach.
_LARGEST_DENOMINATOR = 1000
_ROUNDING = 1e-9
# More monomials make no term: their number squared is that of unknowns.
LARGEST = 256


def whole_multidegree(moduli: Sequence[float], degree: int) -> tuple[int, ...] | None:
  """k t, t the Kaehler moduli, if it is whole."""
  fractions = [Fraction(t).limit_denominator(_LARGEST_DENOMINATOR) for t in moduli]
  if any(abs(float(f) - t) > _ROUNDING * t for f, t in zip(fractions, moduli)):
    return None
  multidegree = [degree * f for f in fractions]
  return tuple(map(int, multidegree)) if all(d.denominator == 1 for d in multidegree) else None


def terms(
  ambient: Sequence[int], moduli: Sequence[float], degree: int
) -> tuple[tuple[float, tuple[int, ...]], ...]:
  """The c_j and m_j of algebraic metrics of degree k.

  Where k t is whole and has no more than LARGEST monomials, m = k t and c = 1 / k. Else entries of
  k t are cut off at the largest bound for which the corners of the simplex around it have no more:
  m_0 = floor, to which one factor after the other adds 1, those with the largest fraction first,
  weighted to add up to it. What is cut off is made of the classes of factors that are cut off,
  taken together as far as each has as much left.

  Args:
    ambient: (n_1, .., n_m).
    moduli: t.
    degree: k.

  Returns:
    Pairs (c_j, m_j), at most two for each factor and one more.
  """
  target = [degree * t for t in moduli]
  whole = whole_multidegree(moduli, degree)
  if whole is not None and num_monomials(ambient, whole) <= LARGEST:
    return ((1 / degree, whole),)
  bound = 1
  fits = lambda b: num_monomials(ambient, [math.ceil(min(d, b)) for d in target]) <= LARGEST
  while bound < max(target) and fits(bound + 1):
    bound += 1
  near = [min(d, bound) for d in target]
  found = _corners(near) + _layers([d - u for d, u in zip(target, near)], bound)
  return tuple((c / degree, m) for c, m in found if c > _ROUNDING and any(m))


def num_monomials(ambient: Sequence[int], multidegree: Sequence[int]) -> int:
  """The number of monomials of a multidegree."""
  return math.prod(math.comb(n + d, d) for n, d in zip(ambient, multidegree, strict=True))


def _corners(target):
  """Whole points and weights that add up to 1 and to `target`."""
  corner = [math.floor(d + _ROUNDING) for d in target]
  fractions = [max(d - c, 0.0) for d, c in zip(target, corner)]
  order = sorted(range(len(target)), key=lambda i: -fractions[i])
  levels = [1.0, *(fractions[i] for i in order), 0.0]
  found = []
  for step, level in enumerate(levels[:-1]):
    if step:
      corner[order[step - 1]] += 1
    found.append((level - levels[step + 1], tuple(corner)))
  return found


def _layers(rest, size):
  """`rest` >= 0 as a sum of multiples of {0, size}^m."""
  levels = [0.0, *sorted({d for d in rest if d > 0})]
  return [
    ((upper - lower) / size, tuple(size if d >= upper else 0 for d in rest))
    for lower, upper in zip(levels, levels[1:])
  ]
