"""A variety as config files write it: by configuration matrix, polynomials as text, parameters."""

import numbers

import ml_collections

from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.parse import parse_derivative, parse_number, parse_polynomial
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety


def variety(
  ambient: tuple[int, ...],
  degrees: tuple[tuple[int, ...], ...] = (),
  *,
  polynomials: str = "",
  arrays: tuple = (),
  parameters: dict[str, str] | None = None,
  moduli: tuple[float, ...] = (),
  member: str = "random",
  seed: int = 0,
) -> ml_collections.ConfigDict:
  """Describes a manifold by its configuration matrix, by its polynomials, or by both.

  Args:
    ambient: (n_1, ..., n_m): the ambient space P^{n_1} x ... x P^{n_m}.
    degrees: the configuration matrix, one row a factor and one column a polynomial; may be left out
      where polynomials are given.
    polynomials: as text in z0, z1, ..., the coordinates of all factors concatenated, separated
      by ";".
    arrays: instead of text, one pair (exponents (M, N), coefficients (M,)) a polynomial.
    parameters: complex-structure parameters that appear in the text, name -> "value".
    moduli: Kaehler moduli t_i > 0; () for all equal to 1.
    member: which member of the family where no polynomials are given: "random" or "fermat".
    seed: of the random member.

  Returns:
    The section `variety` of a config.
  """
  # Plain numbers, which a run's description is stored as: complex ones as pairs.
  arrays = tuple(
    (
      tuple(tuple(map(float, row)) for row in exponents),
      tuple((complex(c).real, complex(c).imag) for c in coefficients),
    )
    for exponents, coefficients in arrays
  )
  return ml_collections.ConfigDict(
    dict(
      ambient=ambient,
      degrees=degrees,
      polynomials=polynomials,
      arrays=arrays,
      parameters=parameters or {},
      moduli=moduli,
      member=member,
      seed=seed,
    )
  )


def make_variety(config: ml_collections.ConfigDict) -> Variety:
  """Builds the variety that `config.variety` describes; UserError says what is wrong with it."""
  fields = config.variety
  if not _whole_numbers(fields.ambient):
    raise UserError(
      f"config.variety.ambient = {fields.ambient!r} must be the dimensions of the "
      "projective spaces, such as (1, 3)"
    )
  if not (isinstance(fields.degrees, (tuple, list)) and all(map(_whole_numbers, fields.degrees))):
    raise UserError(
      f"config.variety.degrees = {fields.degrees!r} must be one row of whole numbers "
      "for each projective space, such as ((2,), (4,))"
    )
  ambient = tuple(fields.ambient)
  num_variables = sum(ambient) + len(ambient)
  parameters = {name: parse_number(value) for name, value in fields.parameters.items()}
  explicit = tuple(
    parse_polynomial(text, num_variables, parameters)
    for text in fields.polynomials.split(";")
    if text.strip()
  )
  explicit += tuple(
    Polynomial(exponents, tuple(complex(*c) for c in coefficients))
    for exponents, coefficients in fields.arrays
  )
  moduli = tuple(fields.moduli) or (1.0,) * len(ambient)
  if explicit:
    built = Variety(ambient, explicit, moduli)
  elif fields.member == "random":
    built = members.random_variety(ambient, fields.degrees, moduli, fields.seed)
  elif fields.member == "fermat":
    built = members.fermat_variety(ambient, fields.degrees, moduli)
  else:
    raise UserError(f"config.variety.member = {fields.member!r} must be random or fermat")
  if fields.degrees and built.degrees != tuple(tuple(row) for row in fields.degrees):
    raise UserError(
      f"the polynomials have multidegrees {built.degrees}, one row a factor, but "
      f"config.variety.degrees = {tuple(fields.degrees)}: change one or leave degrees out"
    )
  return built


def _whole_numbers(row: object) -> bool:
  return isinstance(row, (tuple, list)) and all(isinstance(n, numbers.Integral) for n in row)


def deformations(config: ml_collections.ConfigDict) -> dict[str, tuple[Polynomial, ...]]:
  """The derivatives of the polynomials by each named parameter; UserError if there is none."""
  fields = config.variety
  if not fields.parameters:
    raise UserError(
      "the config names no complex-structure parameter (config.variety.parameters): "
      "write one into its polynomials"
    )
  num_variables = sum(fields.ambient) + len(fields.ambient)
  values = {name: parse_number(value) for name, value in fields.parameters.items()}
  return {
    name: tuple(
      parse_derivative(text, num_variables, values, name)
      for text in fields.polynomials.split(";")
      if text.strip()
    )
    for name in values
  }
