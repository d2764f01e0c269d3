"""Functions of a run at any number of points: in bounded memory, compiled for few or for many."""

from collections.abc import Callable
import functools
from typing import Any

import jax

from networks import reverse
from trainer.devices import compiling, machine, microbatch, parallel

# Up to these memory is not a question, and estimating what they need takes as long as tracing them.
_NEXT_TO_NONE = 16


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
  """Compiles function(static, params, points) once for equal arguments `static`.

  Args:
    function: hashable, any pytree, points (..., K) -> arrays (..., *).

  Returns:
    The same function. It differentiates to any order and may be called in functions that JAX
    transforms. Its attribute `programs` holds the two jitted functions.
  """
  fast = jax.jit(function, static_argnums=0)
  quick = jax.jit(function, static_argnums=0, compiler_options=compiling.processor_options(0))

  @functools.wraps(function)
  def call(static, params, points):
    traced = any(isinstance(a, jax.core.Tracer) for a in jax.tree.leaves((params, points)))
    few = points.size <= parallel.FEW_POINTS * points.shape[-1]
    on_cpu = jax.default_backend() == "cpu"
    return (quick if few and on_cpu and not traced else fast)(static, params, points)

  call.programs = fast, quick
  return call


def by_chunks(function: Callable[[jax.Array], Any], points: jax.Array) -> Any:
  """function of points (B, K) -> arrays (B, *), at points (..., K), as many as memory holds."""
  flat = points.reshape(-1, points.shape[-1])
  with reverse.plain():
    if len(flat) <= _NEXT_TO_NONE:
      found = function(flat)
    else:
      plan = microbatch.plan(function, flat, machine.default_memory())
      found = microbatch.apply(function, flat, plan)
  return jax.tree.map(lambda a: a.reshape(*points.shape[:-1], *a.shape[1:]), found)
