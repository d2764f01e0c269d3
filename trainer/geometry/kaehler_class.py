"""A Kaehler class as a sum of classes of line bundles: t = sum_j c_j m_j, whole m_j >= 0, c_j > 0.

The potential sum_j (c_j / pi) log s_j* H_j s_j, s_j the sections of multidegree m_j, then lies in
the class t, whatever t is.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
import math

from trainer.errors import UserError
from trainer.geometry.variety import Variety

# Kaehler moduli with larger denominators would need degrees out of reach.
_LARGEST_DENOMINATOR = 1000
_ROUNDING = 1e-9
# Terms of other classes than multiples of t have no more monomials: unknowns are their squares.
LARGEST = 256
# Entries of multidegrees are at most this many times the degree, or the smallest entry.
_WIDEST = 4


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

  Where k t is whole, m = k t and c = 1 / k, unless that has more than LARGEST monomials and entries
  above 4 k (4 k t_i if the smallest t_i is above 1). Else

  - entries of k t are cut off there, or lower where multidegrees have more monomials;
  - the m_j nearest to what is left are the corners of the simplex it lies in: its floor, to which
    one factor after the other adds 1, the largest fraction first;
  - what was cut off goes to multidegrees that are 0 in the other factors, in those that are cut
    off the bound.

  The nearer m_j are to the ray of t the better: a term that vanishes in places, as those that are 0
  in a factor do, leaves it to the others to be large there.

  Args:
    ambient: (n_1, .., n_m).
    moduli: t.
    degree: k.

  Returns:
    Pairs (c_j, m_j), at most two for each factor and one more.
  """
  if is_multiple(ambient, moduli, degree):
    return ((1 / degree, whole_multidegree(moduli, degree)),)
  target = [degree * t for t in moduli]
  fits = lambda b: num_monomials(ambient, [math.ceil(min(d, b)) for d in target]) <= LARGEST
  bound, most = 1, min(_widest(moduli, degree), math.ceil(max(target)))
  while bound + 1 <= most and fits(bound + 1):
    bound += 1
  near = [min(d, bound) for d in target]
  weights = {}
  for c, m in _corners(near) + _layers([d - u for d, u in zip(target, near)], bound):
    weights[m] = weights.get(m, 0) + c / degree
  return tuple((c, m) for m, c in weights.items() if c > _ROUNDING and any(m))


def share_near(ambient: Sequence[int], moduli: Sequence[float], degree: int) -> float:
  """The part of t in terms of multidegrees without a 0: they leave it to no others to be large."""
  near = sum(c * sum(m) for c, m in terms(ambient, moduli, degree) if all(m))
  return near / sum(moduli)


def is_multiple(ambient: Sequence[int], moduli: Sequence[float], degree: int) -> bool:
  """Whether the one term of degree k is m = k t."""
  whole = whole_multidegree(moduli, degree)
  if whole is None:
    return False
  return max(whole) <= _widest(moduli, degree) or num_monomials(ambient, whole) <= LARGEST


def check_multiples(variety: Variety, degrees: Sequence[int]) -> None:
  """UserError unless one term k t is what there is of each degree k."""
  for degree in degrees:
    if not is_multiple(variety.ambient, variety.moduli, degree):
      raise UserError(
        "config.start = 'balanced' and config.continuation need whole multiples of the Kaehler "
        f"moduli, not too large: degree {degree} times {variety.moduli} is none"
      )


def num_monomials(ambient: Sequence[int], multidegree: Sequence[int]) -> int:
  """The number of monomials of a multidegree."""
  return math.prod(math.comb(n + d, d) for n, d in zip(ambient, multidegree, strict=True))


def _widest(moduli, degree):
  return _WIDEST * degree * max(1, min(moduli))


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
