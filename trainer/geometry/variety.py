"""A Calabi-Yau complete intersection: ambient space, polynomials and Kaehler class."""

from __future__ import annotations

import dataclasses
import functools
import math

from trainer.errors import UserError
from trainer.geometry import topology
from trainer.geometry.polynomials import Polynomial


@dataclasses.dataclass(frozen=True)
class Variety:
  """X = {Q_1 = ... = Q_K = 0} in P^{n_1} x ... x P^{n_m}, with Kaehler class sum_i t_i J_i.

  A point is its homogeneous coordinates, factors concatenated: N = sum_i (n_i + 1) numbers.

  Attributes:
    ambient: (n_1, ..., n_m).
    polynomials: K polynomials in N variables, homogeneous in the coordinates of each factor.
    moduli: Kaehler moduli (t_1, ..., t_m), positive.

  Raises:
    UserError: inhomogeneous, wrong number of variables, not Calabi-Yau, without points,
      non-positive modulus, or dimension less than one.
  """

  ambient: tuple[int, ...]
  polynomials: tuple[Polynomial, ...]
  moduli: tuple[float, ...]

  def __post_init__(self):
    object.__setattr__(self, "ambient", tuple(int(n) for n in self.ambient))
    object.__setattr__(self, "polynomials", tuple(self.polynomials))
    object.__setattr__(self, "moduli", tuple(float(t) for t in self.moduli))
    _check_ambient(self.ambient)
    if not self.polynomials:
      raise UserError("a variety needs at least one polynomial")
    if len(self.moduli) != len(self.ambient):
      raise UserError(
        f"{len(self.moduli)} Kaehler moduli for {len(self.ambient)} projective "
        "factors; give one modulus to each factor"
      )
    for t in self.moduli:
      if not (t > 0 and math.isfinite(t)):
        raise UserError(f"Kaehler modulus {t:g} is not a positive number; moduli must be > 0")
    check_calabi_yau(self.ambient, self.degrees)

  @functools.cached_property
  def degrees(self) -> tuple[tuple[int, ...], ...]:
    """Configuration matrix: m rows (factors), K columns (polynomials)."""
    columns = [q.multidegree(self.ambient) for q in self.polynomials]
    return tuple(zip(*columns))

  @property
  def num_coordinates(self) -> int:
    """N, the number of homogeneous coordinates."""
    return sum(self.ambient) + len(self.ambient)

  @property
  def codimension(self) -> int:
    """K, the number of polynomials."""
    return len(self.polynomials)

  @property
  def dimension(self) -> int:
    """n, the complex dimension of X."""
    return sum(self.ambient) - self.codimension

  @property
  def factor_slices(self) -> tuple[slice, ...]:
    """Where each factor's coordinates lie among the N."""
    return factor_slices(self.ambient)

  @functools.cached_property
  def gradients(self) -> tuple[tuple[Polynomial, ...], ...]:
    """dQ_a/dz_i as K rows of N polynomials."""
    return tuple(tuple(q.partial(i) for i in range(self.num_coordinates)) for q in self.polynomials)


def factor_slices(ambient: tuple[int, ...]) -> tuple[slice, ...]:
  """Where each factor's coordinates lie among the N homogeneous coordinates."""
  slices, start = [], 0
  for n in ambient:
    slices.append(slice(start, start + n + 1))
    start += n + 1
  return tuple(slices)


def configuration_text(ambient, degrees, factor="P{}", times="x") -> str:
  """The configuration matrix on one line: "P4 [5]", "P3 x P3 [3 0 1; 0 3 1]".

  Args:
    ambient: (n_1, .., n_m).
    degrees: one row a factor, one column a polynomial.
    factor: how P^n is written.
    times: the sign between factors.
  """
  space = f" {times} ".join(factor.format(n) for n in ambient)
  rows = "; ".join(" ".join(str(q) for q in row) for row in degrees)
  return f"{space} [{rows}]"


def check_calabi_yau(ambient: tuple[int, ...], degrees: tuple[tuple[int, ...], ...]) -> None:
  """Raises UserError unless a configuration matrix is that of Calabi-Yau varieties with points.

  Every row has to sum to n_i + 1, the dimension to be at least one, and linear slices must meet
  the varieties: some intersection number is not zero.
  """
  _check_ambient(ambient)
  if len(degrees) != len(ambient) or len({len(row) for row in degrees}) != 1 or not degrees[0]:
    raise UserError(
      f"the degrees {degrees} must have one row for each of the {len(ambient)} projective "
      "factors, all of the same length: at least one factor and one polynomial"
    )
  if any(q < 0 for row in degrees for q in row):
    raise UserError(f"the degrees {degrees} must be 0 or more")
  for i, (n, row) in enumerate(zip(ambient, degrees, strict=True)):
    if sum(row) != n + 1:
      raise UserError(
        f"not Calabi-Yau: the degrees {tuple(row)} in factor {i + 1} (P^{n}) sum to {sum(row)}, "
        f"but must sum to {n + 1}"
      )
  for a, column in enumerate(zip(*degrees)):
    if not any(column):
      raise UserError(
        f"polynomial {a + 1} has degree 0 in every factor: a constant has no zeros; "
        "remove its column or change its degrees"
      )
  if sum(ambient) - len(degrees[0]) < 1:
    raise UserError(
      f"{len(degrees[0])} polynomials in an ambient space of dimension "
      f"{sum(ambient)} leave no dimension; use fewer polynomials"
    )
  if topology.is_empty(ambient, degrees):
    space = " x ".join(f"P^{n}" for n in ambient)
    raise UserError(
      f"linear slices of the configuration {degrees} in {space} have no solutions, "
      "all intersection numbers vanish: more polynomials than it has dimensions "
      "depend on some of the factors alone; change the degrees"
    )


def _check_ambient(ambient):
  if not ambient or min(ambient) < 1:
    raise UserError(f"ambient {ambient} must list projective spaces of dimension 1 or more")
