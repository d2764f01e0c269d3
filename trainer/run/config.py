"""What a run is made of: the fields of a config file, their defaults and their checks."""

import jax.numpy as jnp
import ml_collections

from networks import precision
from trainer.errors import UserError
from trainer.geometry.description import variety
from trainer.optimizers.solvers import SOLVERS


def default_config() -> ml_collections.ConfigDict:
  """Returns the fields every config file starts from."""
  config = ml_collections.ConfigDict()
  config.variety = variety(())
  config.data = ml_collections.ConfigDict()
  config.data.train_points = 100_000
  config.data.heldout_points = 20_000
  config.data.resident_points = 1_000_000  # on the devices at one time; more are read in turn
  # Points crowd where the variety is nearly singular, weights stay exact; "off": uniform.
  config.data.concentration = "auto"
  config.data.stream = False  # fresh points every epoch, nothing stored
  config.problem = "metric"  # what is learned; or module:Name, path/to/file.py:Name
  # A registered name, module:Name or path/to/file.py:Name, with arguments of its own in brackets;
  # "auto": chosen for the manifold, the machine and the time, together with degrees and points.
  config.network = "auto"
  config.budget_seconds = 300.0  # of the whole run, for "auto"
  config.loss = ml_collections.ConfigDict()
  config.loss.name = "monge_ampere"  # or "ricci", module:name, path/to/file.py:name
  config.loss.power = 2  # p, 1 or 2
  config.optimizer = ml_collections.ConfigDict()
  config.optimizer.name = "adam"  # any optax optimizer
  config.optimizer.learning_rate = 1.5e-3
  config.optimizer.warmup_steps = 500
  config.optimizer.clip_norm = 1.0
  # Of layers in training and of J in Gauss-Newton steps; "tf32" or "bfloat16" where it is faster.
  config.matmul_precision = "float32"
  config.batch_size = 256  # over all devices
  config.steps = 0  # of the first-order optimizer, which come first; 0: none
  config.start = "fubini_study"  # or "balanced", Donaldson's metric, for algebraic networks
  # Degrees an algebraic network goes through before its own, each starting from the one before.
  config.continuation = ()
  config.gauss_newton = ml_collections.ConfigDict()
  config.gauss_newton.steps = 150  # at most, of each phase; 0: none
  config.gauss_newton.solver = "auto"  # or parameter_space, sample_space, conjugate_gradient
  # To start with: it grows up to train_points, but for networks with momentum. 0: by the unknowns,
  # or 1024.
  config.gauss_newton.batch_size = 0
  config.gauss_newton.momentum = 0.95  # of networks; algebraic metrics need none
  config.gauss_newton.damping = 1.0  # to start with, relative to the mean of diag J^T J
  config.gauss_newton.iterations = 100  # of conjugate gradients a step, at most
  # Where they stop: five of them lower the predicted E by less than this part.
  config.gauss_newton.tolerance = 5e-3
  # From these the certificate tells how far the metric deviates: phases z_i -> exp(2 pi i p_i /
  # order) z_i, permutations z_i -> z_{row[i]}, complex conjugation.
  config.symmetries = ml_collections.ConfigDict()
  config.symmetries.order = 1
  config.symmetries.phases = ()  # rows p of whole numbers
  config.symmetries.permutations = ()
  config.symmetries.conjugation = False
  config.time_limit = 0.0  # seconds after which training stops where it is; 0: none
  config.log_every = 100
  config.evaluate_every = 2000
  config.checkpoint_every = 2000
  return config


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
    "budget_seconds": config.budget_seconds,
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
  sizes = {"gauss_newton.batch_size": config.gauss_newton.batch_size}
  if config.steps:
    sizes["batch_size"] = config.batch_size
  for name, size in sizes.items():
    if size > config.data.train_points:
      raise UserError(
        f"config.{name} = {size} is larger than the dataset of config.data.train_points = "
        f"{config.data.train_points}: lower one or raise the other"
      )
  if config.steps and config.batch_size % num_devices:
    raise UserError(
      f"config.batch_size = {config.batch_size} does not divide over {num_devices} devices: "
      f"use a multiple of {num_devices}"
    )
  if config.matmul_precision not in precision.PRECISIONS:
    raise UserError(
      f"config.matmul_precision = {config.matmul_precision!r} is not supported: use "
      f"one of {', '.join(precision.PRECISIONS)}"
    )
