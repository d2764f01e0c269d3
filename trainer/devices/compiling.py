"""How hard XLA tries on processors, where many programs take longer to compile than to run."""

from collections.abc import Callable
import functools

import jax

# Of programs that run for long.
FASTEST = 3


def processor_options(level: int) -> dict[str, int | bool]:
  """Options of jax.jit, on processors only, for programs that take longer to compile than to run.

  Args:
    level: 0, fast to compile, to FASTEST, which is XLA's own unless XLA_FLAGS say otherwise.
  """
  # Its newer fusions take twice as long to compile and run no faster; later releases have no other.
  older = {"xla_cpu_use_fusion_emitters": False} if jax.__version__.startswith("0.10.") else {}
  return older if level == FASTEST else older | {"xla_backend_optimization_level": level}


def optimisation(level: int | None) -> dict[str, int | bool] | None:
  """`processor_options` where the devices are processors; None leaves everything to XLA."""
  if level is None or jax.default_backend() != "cpu":
    return None
  return processor_options(level)


def jit_older_fusions(function: Callable, static_argnums: tuple[int, ...]) -> Callable:
  """jax.jit of a function of points, that compiles in half of the time and runs as fast or nearly.

  In functions that JAX transforms it is part of their program. Devices are looked for at first use.
  """

  @functools.cache
  def compiled():
    return jax.jit(function, static_argnums=static_argnums, compiler_options=optimisation(FASTEST))

  @functools.wraps(function)
  def call(*args):
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(args))
    return function(*args) if traced else compiled()(*args)

  return call
