"""A variety as config files write it: by configuration matrix, polynomials as text, parameters."""

import ml_collections

from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.parse import parse_derivative, parse_number, parse_polynomial
from trainer.geometry.plain import plain, real_numbers, whole_numbers
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety


def variety(
  ambient: tuple[int, ...],
  degrees: tuple[tuple[int, ...], ...] = (),
  *,
  polynomials: str = "",
  arrays: tuple = (),
  parameters: dict[str, str | complex] | None = None,
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
    parameters: complex-structure parameters that appear in the text, name -> number or "number".
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
      ambient=plain(ambient),
      degrees=plain(degrees),
      polynomials=polynomials,
      arrays=arrays,
      # Text, so that --config.variety.parameters.NAME may be any complex number.
      parameters={name: str(plain(value)) for name, value in (parameters or {}).items()},
      moduli=plain(moduli),
      member=member,
      seed=seed,
    )
  )


def make_variety(config: ml_collections.ConfigDict) -> Variety:
  """Builds the variety that `config.variety` describes; UserError says what is wrong with it."""
  fields = config.variety
  ambient = whole_numbers("config.variety.ambient", fields.ambient)
  degrees = _degrees(fields.degrees)
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
  moduli = real_numbers("config.variety.moduli", fields.moduli) or (1.0,) * len(ambient)
  if explicit:
    built = Variety(ambient, explicit, moduli)
  elif fields.member == "random":
    built = members.random_variety(ambient, degrees, moduli, fields.seed)
  elif fields.member == "fermat":
    built = members.fermat_variety(ambient, degrees, moduli)
  else:
    raise UserError(f"config.variety.member = {fields.member!r} must be random or fermat")
  if degrees and built.degrees != degrees:
    raise UserError(
      f"the polynomials have multidegrees {built.degrees}, one row a factor, but "
      f"config.variety.degrees = {degrees}: change one or leave degrees out"
    )
  return built


def _degrees(matrix) -> tuple[tuple[int, ...], ...]:
  matrix = plain(matrix)
  if not isinstance(matrix, tuple) or not all(isinstance(row, tuple) for row in matrix):
    raise UserError(
      f"config.variety.degrees = {matrix!r} must be one row of whole numbers for each projective "
      "space, such as ((2,), (4,))"
    )
  return tuple(whole_numbers("a row of config.variety.degrees", row) for row in matrix)


def deformations(config: ml_collections.ConfigDict) -> dict[str, tuple[Polynomial, ...]]:
  """The derivatives of the polynomials by each named parameter; UserError if there is none."""
  fields = config.variety
  if not fields.parameters:
    raise UserError(
      "the config names no complex-structure parameter (config.variety.parameters): "
      "write one into its polynomials"
    )
  ambient = whole_numbers("config.variety.ambient", fields.ambient)
  num_variables = sum(ambient) + len(ambient)
  values = {name: parse_number(value) for name, value in fields.parameters.items()}
  return {
    name: tuple(
      parse_derivative(text, num_variables, values, name)
      for text in fields.polynomials.split(";")
      if text.strip()
    )
    for name in values
  }
