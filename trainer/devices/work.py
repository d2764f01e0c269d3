"""What a per-device program does, read off its trace: arithmetic and collectives, loop by loop.

A loop of known length counts as often as it runs. Of the others one in
`jax.named_scope("per NAME")`, NAME a number that every step reports, such as its iterations, counts
that often; any other once. So counts of steps that halve their length or search along a line are
below the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import math
import re
from typing import Any, NamedTuple

import jax
from jax.extend import core
from jax.sharding import Mesh

from trainer.devices import parallel

# One operation an element of what comes out, on real numbers; four on complex ones.
_ARITHMETIC = frozenset(
  "add add_any sub mul div neg max min abs sign floor sqrt rsqrt cbrt square pow integer_pow exp "
  "exp2 expm1 log log1p tanh logistic erf erfc sin cos tan sinh cosh atan2 clamp".split()
)
# One an element of what goes in.
_SUMS = frozenset("reduce_sum reduce_prod reduce_max reduce_min cumsum cumprod".split())
# How a loop is named.
SCOPE = re.compile(r"per (\w+)")


class Collective(NamedTuple):
  """One exchange between devices, as a primitive of the trace.

  Attributes:
    primitive: what is exchanged how.
    params: its parameters.
    operands: shape and dtype of what each device gives.
  """

  primitive: core.Primitive
  params: dict[str, Any]
  operands: tuple[jax.ShapeDtypeStruct, ...]


class Work(NamedTuple):
  """What each device does for every NAME of the loops' scopes; for "", once a step.

  Attributes:
    flops: name -> floating-point operations: of matrix products, Cholesky factorisations and
      triangular systems, and one for each element of other arithmetic.
    collectives: name -> each collective and how often it is done.
  """

  flops: dict[str, float]
  collectives: dict[str, list[tuple[Collective, float]]]

  def total(self, numbers: Mapping[str, float]) -> float:
    """Floating-point operations of steps that have so many of each NAME."""
    return sum(flops * numbers[name] for name, flops in self.flops.items())


def compile_step(
  step: Callable, mesh: Mesh, mode: str, state: Any, epoch: Any, level: int | None = None
) -> tuple[Callable, Work]:
  """`parallel.compile_step` for a state and an epoch, at once, so that steps can be timed.

  Args:
    step, mesh, mode: as there.
    state, epoch: what to compile for.
    level: see `compiling.optimisation`; not under pmap.

  Returns:
    The compiled step, and its work. pmap, which has no trace to show, compiles at the first call;
    the work is that of the same step under shard_map.
  """
  if mode == "shard_map":
    traced = parallel.shard_step(step, mesh, level).trace(state, epoch)
    return parallel.one_at_a_time(traced.lower().compile(), mesh), of_program(traced.jaxpr)
  like = lambda shape, a: jax.ShapeDtypeStruct(shape, a.dtype)
  whole = lambda a: like((a.shape[0], mesh.size * a.shape[2], *a.shape[3:]), a)
  shapes = jax.tree.map(lambda a: like(a.shape, a), state), jax.tree.map(whole, epoch)
  traced = parallel.shard_step(step, mesh).trace(*shapes)
  return parallel.compile_step(step, mesh, mode), of_program(traced.jaxpr)


def of_program(program: core.ClosedJaxpr) -> Work:
  """The work of a traced program."""
  work = Work({"": 0.0}, {})
  _count(program.jaxpr, "", 1.0, work)
  return work


def _count(jaxpr, name, times, work):
  for equation in jaxpr.eqns:
    primitive, params = equation.primitive, equation.params
    kind = primitive.name
    if kind == "while":
      scope = SCOPE.search(str(equation.source_info.name_stack))
      inside = (scope[1], 1.0) if scope else (name, times)
      _count(params["cond_jaxpr"].jaxpr, *inside, work)
      _count(params["body_jaxpr"].jaxpr, *inside, work)
    elif kind == "scan":
      _count(params["jaxpr"].jaxpr, name, times * params["length"], work)
    elif kind == "cond":
      _count_longest(params["branches"], name, times, work)
    elif parallel.AXIS in _axes(params) and kind != "axis_index":
      operands = tuple(jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.invars)
      found = Collective(primitive, params, operands)
      work.collectives.setdefault(name, []).append((found, times))
    elif called := list(_called(params)):
      for inner in called:
        _count(inner, name, times, work)
    else:
      work.flops[name] = work.flops.get(name, 0.0) + times * _flops(kind, equation)


def _count_longest(branches, name, times, work):
  """Adds what the branch with the most arithmetic does."""
  found = []
  for branch in branches:
    found.append(Work({name: 0.0}, {}))
    _count(branch.jaxpr, name, times, found[-1])
  longest = max(found, key=lambda one: sum(one.flops.values()))
  for inner, flops in longest.flops.items():
    work.flops[inner] = work.flops.get(inner, 0.0) + flops
  for inner, collectives in longest.collectives.items():
    work.collectives.setdefault(inner, []).extend(collectives)


def _axes(params):
  axes = params.get("axes", params.get("axis_name", ()))
  return axes if isinstance(axes, tuple) else (axes,)


def _called(params):
  is_program = lambda value: isinstance(value, core.ClosedJaxpr | core.Jaxpr)
  for value in jax.tree.leaves(list(params.values()), is_leaf=is_program):
    if is_program(value):
      yield getattr(value, "jaxpr", value)


def _flops(kind, equation):
  (out, *_), operands = equation.outvars, [v.aval for v in equation.invars]
  shape, dtype = getattr(out.aval, "shape", ()), getattr(out.aval, "dtype", None)
  if dtype is None or not jax.numpy.issubdtype(dtype, jax.numpy.inexact):
    return 0.0
  weight = 4 if jax.numpy.issubdtype(dtype, jax.numpy.complexfloating) else 1
  if kind == "dot_general":
    (contracted, _), _ = equation.params["dimension_numbers"]
    return 2.0 * weight * math.prod(shape) * math.prod(operands[0].shape[i] for i in contracted)
  if kind == "cholesky":
    return weight * math.prod(shape) * shape[-1] / 3
  if kind == "triangular_solve":
    return float(weight * math.prod(shape) * operands[0].shape[-1])
  if kind in _SUMS:
    return float(weight * math.prod(operands[0].shape))
  return float(weight * math.prod(shape)) if kind in _ARITHMETIC else 0.0
