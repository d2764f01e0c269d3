"""Exact topology of a complete intersection from its configuration matrix alone.

Everything is an integral over X of a polynomial in the hyperplane classes J_i, which equals the
coefficient of prod_i J_i^{n_i} in that polynomial times prod_a (sum_i q_a^i J_i). The total Chern
class is prod_i (1 + J_i)^{n_i + 1} / prod_a (1 + sum_i q_a^i J_i).

Throughout, `ambient` is (n_1, ..., n_m) and `degrees` the matrix of m rows and K columns. A class
of degree k is a dict from exponents of (J_1, ..., J_m) to integers. Factors are counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import itertools
import math

Degrees = Sequence[Sequence[int]]


def intersection_numbers(ambient: Sequence[int], degrees: Degrees) -> dict[tuple[int, ...], int]:
  """kappa_{ij..k} = integral of J_i J_j .. J_k over X, for i <= j <= .. <= k, zeros included."""
  n, m = _dimension(ambient, degrees), len(ambient)
  divisor = _divisor_class(ambient, degrees)
  return {
    index: _coefficient(divisor, ambient, _exponents(index, m))
    for index in itertools.combinations_with_replacement(range(m), n)
  }


def euler_number(ambient: Sequence[int], degrees: Degrees) -> int:
  """chi = integral of c_n over X."""
  chern = _chern_class(ambient, degrees, _dimension(ambient, degrees))
  return _integral(chern, _divisor_class(ambient, degrees), ambient)


def c2(ambient: Sequence[int], degrees: Degrees) -> dict[tuple[int, ...], int]:
  """integral of c_2 J_i .. J_j (n - 2 factors) over X, for all i <= .. <= j; empty for curves."""
  n, m = _dimension(ambient, degrees), len(ambient)
  if n < 2:
    return {}
  chern = _chern_class(ambient, degrees, 2)
  divisor = _divisor_class(ambient, degrees)
  numbers = {}
  for index in itertools.combinations_with_replacement(range(m), n - 2):
    shifted = _multiply(chern, {_exponents(index, m): 1}, ambient)
    numbers[index] = _integral(shifted, divisor, ambient)
  return numbers


def volume(ambient: Sequence[int], degrees: Degrees, moduli: Sequence[float]) -> float:
  """Vol = (1/n!) kappa_{ij..k} t_i t_j .. t_k."""
  return _volume_derivative(ambient, degrees, moduli, ())


def volume_gradient(
  ambient: Sequence[int], degrees: Degrees, moduli: Sequence[float]
) -> list[float]:
  """V_i = d Vol / d t_i = integral of J_i omega^{n-1} / (n-1)!, for each factor."""
  return [_volume_derivative(ambient, degrees, moduli, (i,)) for i in range(len(ambient))]


def volume_hessian(
  ambient: Sequence[int], degrees: Degrees, moduli: Sequence[float]
) -> list[list[float]]:
  """V_ij = d^2 Vol / d t_i d t_j = integral of J_i J_j omega^{n-2} / (n-2)!."""
  factors = range(len(ambient))
  return [[_volume_derivative(ambient, degrees, moduli, (i, j)) for j in factors] for i in factors]


def is_empty(ambient: Sequence[int], degrees: Degrees) -> bool:
  """Whether all intersection numbers vanish, so that varieties in general have no points."""
  return not _divisor_class(ambient, degrees)


def _volume_derivative(ambient, degrees, moduli, by):
  """Vol = sum_e kappa_e prod_i t_i^{e_i} / e_i! over exponents e, derived by some t_i."""
  total = 0.0
  for exponents, number in _volume_terms(tuple(ambient), tuple(map(tuple, degrees))):
    left = [e - by.count(i) for i, e in enumerate(exponents)]
    if min(left) >= 0:
      total += number * math.prod(t**e / math.factorial(e) for t, e in zip(moduli, left))
  return total


@functools.lru_cache(maxsize=32)
def _volume_terms(ambient, degrees):
  """Exponents e and kappa_e, where it is not 0."""
  numbers = intersection_numbers(ambient, degrees)
  return [(_exponents(index, len(ambient)), kappa) for index, kappa in numbers.items() if kappa]


def _dimension(ambient, degrees):
  return sum(ambient) - len(degrees[0])


def _exponents(index, m):
  return tuple(index.count(i) for i in range(m))


def _multiply(u, v, ambient):
  """Product of classes, modulo J_i^{n_i + 1} = 0."""
  product = {}
  for (e, a), (f, b) in itertools.product(u.items(), v.items()):
    exponents = tuple(x + y for x, y in zip(e, f))
    if all(x <= n for x, n in zip(exponents, ambient)):
      product[exponents] = product.get(exponents, 0) + a * b
  return product


def _linear(row):
  m = len(row)
  return {_exponents((i,), m): q for i, q in enumerate(row) if q}


def _divisor_class(ambient, degrees):
  """prod_a (sum_i q_a^i J_i)."""
  product = {(0,) * len(ambient): 1}
  for column in zip(*degrees):
    product = _multiply(product, _linear(column), ambient)
  return product


def _chern_class(ambient, degrees, k):
  """c_k of X, by Newton's identities from its power sums p_j = sum (n_i+1) J_i^j - sum_a q_a^j."""
  m = len(ambient)
  columns = [_linear(column) for column in zip(*degrees)]
  powers = list(columns)
  chern = [{(0,) * m: 1}]
  sums = []
  for j in range(1, k + 1):
    total = {_exponents((i,) * j, m): n + 1 for i, n in enumerate(ambient) if j <= n}
    for power in powers:
      for e, a in power.items():
        total[e] = total.get(e, 0) - a
    sums.append(total)
    powers = [_multiply(p, c, ambient) for p, c in zip(powers, columns)]
    # j c_j = sum_{i=1}^{j} (-1)^{i-1} c_{j-i} p_i
    new = {}
    for i in range(1, j + 1):
      for e, a in _multiply(chern[j - i], sums[i - 1], ambient).items():
        new[e] = new.get(e, 0) + (-1) ** (i - 1) * a
    chern.append({e: a // j for e, a in new.items()})
  return chern[k]


def _coefficient(divisor, ambient, exponents):
  return divisor.get(tuple(n - e for n, e in zip(ambient, exponents)), 0)


def _integral(form, divisor, ambient):
  return sum(a * _coefficient(divisor, ambient, e) for e, a in form.items())
