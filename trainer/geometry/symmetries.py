"""Maps of a variety to itself: phases and permutations of coordinates, complex conjugation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from networks import symmetry
from trainer.errors import UserError
from trainer.geometry import sections
from trainer.geometry.variety import Variety


class Symmetry(NamedTuple):
  """z -> A z, or z -> conj(A z).

  Attributes:
    name: of the map.
    matrix: A, (N, N) complex.
    conjugate: whether the map is antiholomorphic.
  """

  name: str
  matrix: np.ndarray
  conjugate: bool = False


def make_symmetries(
  variety: Variety,
  order: int = 1,
  phases: Iterable[Iterable[int]] = (),
  permutations: Iterable[Iterable[int]] = (),
  conjugation: bool = False,
) -> tuple[Symmetry, ...]:
  """The maps one by one.

  Args:
    variety: the manifold.
    order: order of the phases.
    phases: rows of N integers p, z_i -> exp(2 pi i p_i / order) z_i.
    permutations: rows of N integers, z_i -> z_{row[i]}.
    conjugation: whether z -> conj(z) is among them.

  Raises:
    UserError: a row is none, or does not preserve the variety.
  """
  rows = lambda table: tuple(tuple(int(i) for i in row) for row in table)
  group = symmetry.Generators(int(order), rows(phases), rows(permutations), bool(conjugation))
  if not (group.phases or group.permutations or group.conjugation):
    return ()
  # What keeps the sections of the polynomials' own degrees keeps the variety.
  degrees = tuple(max(row) for row in variety.degrees)
  basis = sections.section_basis(variety, degrees)
  try:
    symmetry.check_group(basis.exponents, basis.coefficients, variety.ambient, group)
  except ValueError as error:
    raise UserError(f"config.symmetries: {error}") from None
  one = np.eye(variety.num_coordinates, dtype=complex)
  found = [
    Symmetry(f"phases {row} of order {group.order}", np.diag(_roots(row, group.order)))
    for row in group.phases
  ]
  found += [Symmetry(f"permutation {row}", one[list(row)]) for row in group.permutations]
  if group.conjugation:
    found.append(Symmetry("complex conjugation", one, True))
  return tuple(found)


def _roots(row, order):
  return np.exp(2j * np.pi * np.array(row) / order)
