"""What a run is made of: the fields of a config file, their defaults and their checks."""

import numbers

import jax.numpy as jnp
import ml_collections

from networks import precision
from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.parse import parse_derivative, parse_number, parse_polynomial
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety
from trainer.metric.losses import make_loss
from trainer.optimizers.solvers import SOLVERS


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
    polynomials: as text in z0, z1, ..., the coordinates of all factors concatenated, separated by ";".
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


# The metrics a run may start from.
FUBINI_STUDY, BALANCED = STARTS = ("fubini_study", "balanced")


def default_config() -> ml_collections.ConfigDict:
  """Returns the fields every config file starts from."""
  config = ml_collections.ConfigDict()
  config.variety = variety(())
  config.data = ml_collections.ConfigDict()
  config.data.train_points = 100_000
  config.data.heldout_points = 20_000
  config.data.resident_points = 1_000_000  # on the devices at one time; more are read in turn
  config.data.stream = False  # fresh points every epoch, nothing stored
  # A registered name, module:Name or path/to/file.py:Name, with arguments of its own in brackets.
  config.network = "phi_mlp(widths=(64, 64, 64), activation='tanh')"
  config.loss = ml_collections.ConfigDict()
  config.loss.name = "monge_ampere"  # < |1 - eta|^p >, or "ricci", < |R|^p >
  config.loss.power = 2  # p, 1 or 2
  config.optimizer = ml_collections.ConfigDict()
  config.optimizer.name = "adam"  # any optax optimizer
  config.optimizer.learning_rate = 1.5e-3
  config.optimizer.warmup_steps = 500
  config.optimizer.clip_norm = 1.0
  config.matmul_precision = (
    "float32"  # of the layers in training; "tf32" or "bfloat16" on accelerators
  )
  config.batch_size = 256  # over all devices
  config.steps = 0  # of the first-order optimizer, which come first; 0: none
  config.start = "fubini_study"  # or "balanced", Donaldson's metric, for algebraic networks
  # Degrees an algebraic network goes through before its own, each starting from the one before.
  config.continuation = ()
  config.gauss_newton = ml_collections.ConfigDict()
  config.gauss_newton.steps = 150  # at most, of each phase; 0: none
  config.gauss_newton.solver = "auto"  # or parameter_space, sample_space, conjugate_gradient
  # To start with: it grows up to train_points, but for networks with momentum. 0: by the unknowns, or 1024.
  config.gauss_newton.batch_size = 0
  config.gauss_newton.momentum = 0.95  # of networks; algebraic metrics need none
  config.gauss_newton.damping = 1.0  # to start with, relative to the mean of diag J^T J
  config.gauss_newton.iterations = 100  # of conjugate gradients a step, at most
  config.gauss_newton.tolerance = (
    5e-3  # where they stop: five lower the predicted E by less than this part
  )
  config.time_limit = 0.0  # seconds after which training stops where it is; 0: none
  config.log_every = 100
  config.evaluate_every = 2000
  config.checkpoint_every = 2000
  return config


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


def real_dtype(name: str) -> jnp.dtype:
  """The real dtype called `name`; UserError unless it is float32 or float64."""
  if name not in ("float32", "float64"):
    raise UserError(f"--dtype={name} is not supported: use float32 or float64")
  return jnp.dtype(name)


def check_config(config: ml_collections.ConfigDict, num_devices: int) -> None:
  """Raises UserError if a number in the config makes no sense on this many devices."""
  positive = {
    "data.train_points": config.data.train_points,
    "data.heldout_points": config.data.heldout_points,
    "data.resident_points": config.data.resident_points,
    "batch_size": config.batch_size,
    "log_every": config.log_every,
    "gauss_newton.iterations": config.gauss_newton.iterations,
    "evaluate_every": config.evaluate_every,
    "checkpoint_every": config.checkpoint_every,
  }
  for name, value in positive.items():
    if value < 1:
      raise UserError(f"config.{name} = {value} must be at least 1")
  at_least_zero = {
    "steps": config.steps,
    "gauss_newton.steps": config.gauss_newton.steps,
    "gauss_newton.batch_size": config.gauss_newton.batch_size,
    "time_limit": config.time_limit,
  }
  for name, value in at_least_zero.items():
    if value < 0:
      raise UserError(f"config.{name} = {value} must not be negative")
  if not config.gauss_newton.damping > 0 or not 0 < config.gauss_newton.tolerance < 1:
    raise UserError("config.gauss_newton.damping must be positive and tolerance between 0 and 1")
  if not 0 <= config.gauss_newton.momentum < 1:
    raise UserError(
      f"config.gauss_newton.momentum = {config.gauss_newton.momentum} must be at "
      "least 0 and below 1"
    )
  if config.gauss_newton.solver not in ("auto", *SOLVERS):
    raise UserError(
      f"config.gauss_newton.solver = {config.gauss_newton.solver!r} must be auto, "
      f"{', '.join(SOLVERS)}"
    )
  if max(config.batch_size, config.gauss_newton.batch_size) > config.data.train_points:
    raise UserError(
      f"config.batch_size = {config.batch_size} is larger than the dataset of "
      f"config.data.train_points = {config.data.train_points}: lower one or raise the other"
    )
  if config.batch_size % num_devices:
    raise UserError(
      f"config.batch_size = {config.batch_size} does not divide over {num_devices} devices: "
      f"use a multiple of {num_devices}"
    )
  if config.start not in STARTS:
    raise UserError(
      f"config.start = {config.start!r} is not supported: use one of {', '.join(STARTS)}"
    )
  if config.matmul_precision not in precision.PRECISIONS:
    raise UserError(
      f"config.matmul_precision = {config.matmul_precision!r} is not supported: use "
      f"one of {', '.join(precision.PRECISIONS)}"
    )
  make_loss(**config.loss)
  if config.steps == 0 and config.loss.name != "monge_ampere":
    raise UserError(
      f"config.loss.name = {config.loss.name!r} is for first-order steps, and config.steps is 0: "
      "Gauss-Newton minimises the Monge-Ampere residual"
    )
