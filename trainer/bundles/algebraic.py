"""Holomorphic Yukawa couplings on a hypersurface of P^1 x P^1 x P^1 x P^1 in closed form.

With Omega ~ dbar(1 / p), lambda = 1 / pi integral over A of nu_1 ^ nu_2 ^ omega_3 if nu_1 and nu_2
are of the first type and dbar nu_3 = p omega_3, and 0 if all three are of the first type: products
of one integral over each P^1,

  integral of x_0^a x_1^b conj(..) d^2x / |x|^(2 (a + b + 2)) = pi a! b! / (a + b + 1)!,

which vanish unless powers of coordinates and of their conjugates agree.
"""

from __future__ import annotations

from collections.abc import Sequence
import itertools
import math

import numpy as np

from trainer.bundles import cohomology
from trainer.geometry.variety import Variety


def couplings(variety: Variety, bundles: Sequence[tuple[int, ...]]) -> np.ndarray | None:
  """lambda_abc (R_1, R_2, R_3) of the classes of three bundles whose product is trivial.

  None where it is not this simple: on another manifold, or for two classes of the second type.
  """
  if variety.ambient != (1, 1, 1, 1) or variety.codimension != 1:
    return None
  first, second, third = (cohomology.sources(variety, k) for k in bundles)
  blocks = [[[_block((a, b, c)) for c in third] for b in second] for a in first]
  if any(block is None for plane in blocks for row in plane for block in row):
    return None
  joined = [np.concatenate([np.concatenate(row, 2) for row in plane], 1) for plane in blocks]
  return np.concatenate(joined, 0)


def _block(three):
  """lambda of classes of three sources; None if two are of the second type."""
  shape = [len(s.holomorphic) * len(s.conjugate) for s in three]
  kinds = sum(len(s.polynomials) for s in three)
  if kinds > 1:
    return None
  order = [j for s in three for j in s.factors]
  if kinds == 0 or len(set(order)) < 4:
    return np.zeros(shape)
  # nu_1 ^ nu_2 ^ nu_3 -> dbar of it / p: a sign for each form that dbar passes.
  passed = next(n for n, s in enumerate(three) if s.polynomials)
  sign = (-1) ** (passed + sum(a > b for a, b in itertools.combinations(order, 2)))
  pairs = [list(itertools.product(s.holomorphic, s.conjugate)) for s in three]
  made = np.zeros(shape)
  for index in np.ndindex(*shape):
    powers = sum(part[n][0] for part, n in zip(pairs, index, strict=True))
    if np.array_equal(powers, sum(part[n][1] for part, n in zip(pairs, index, strict=True))):
      made[index] = sign / math.pi * math.prod(_integral(*x) for x in powers.reshape(4, 2).tolist())
  return made


def _integral(a, b):
  return math.pi * math.factorial(a) * math.factorial(b) / math.factorial(a + b + 1)
