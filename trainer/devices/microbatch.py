"""Batches of any size in bounded memory: a function of a batch, applied chunk by chunk.

  plan = microbatch.plan(curvature, batch, budget=2**30)
  print(plan)   # 65,536 points in 32 chunks of 2,048: ...
  scalar = microbatch.apply(curvature, batch, plan)

Sums of gradients are taken chunk by chunk too, by `accumulate`, which keeps nothing of a
chunk that is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
from jax.extend import core
import jax.numpy as jnp

from trainer.devices import machine
from trainer.errors import UserError

# Points in the trace that the estimate is made from; enough for the batch to dominate constants.
PROBE = 64
# Points that are worked on at once even if a processor's caches hold fewer: calls have
# their price too.
_FEWEST = 16


class Plan(NamedTuple):
  """How a batch is cut up.

  Attributes:
    points: size of the batch.
    chunk: points worked on at once.
    bytes_per_point: estimate of what a point needs while it is worked on.
    budget: the memory budget, in bytes.
  """

  points: int
  chunk: int
  bytes_per_point: int
  budget: int

  @property
  def num_chunks(self) -> int:
    """How many chunks the batch makes, a last one that is not full included."""
    return -(-self.points // self.chunk)

  def __str__(self) -> str:
    return (
      f"{self.points:,} points in {self.num_chunks:,} chunks of {self.chunk:,}: about "
      f"{self.bytes_per_point / 2**10:,.0f} KiB a point, "
      f"{self.chunk * self.bytes_per_point / 2**20:,.0f} of {self.budget / 2**20:,.0f} MiB"
    )


def plan(function: Callable[[Any], Any], batch: Any, budget: int, gradient: bool = False) -> Plan:
  """Chooses how many points make a chunk.

  The largest power of two, at most the batch, that fits the budget and the caches. The estimate
  counts, at each operation of the traced function, the values that are still needed: an upper
  bound, since compilers fuse operations whose results are then never stored.

  Args:
    function: maps a batch, a pytree of arrays with the points on their first axis,
      to such a pytree.
    batch: arrays or jax.ShapeDtypeStruct.
    budget: bytes.
    gradient: whether the function's reverse pass has to fit too.

  Returns:
    The plan; print it to say what was chosen.

  Raises:
    UserError: a single point does not fit.
  """
  points = _num_points(batch)
  probe = min(PROBE, points)
  shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct((probe, *a.shape[1:]), a.dtype), batch)
  traced = function
  if gradient:

    def traced(batch):
      out, transpose = jax.vjp(function, batch)
      return transpose(jax.tree.map(jnp.ones_like, out))

  peak = _peak_bytes(jax.make_jaxpr(traced)(shapes).jaxpr)
  bytes_per_point = -(-peak // probe)
  if bytes_per_point > budget:
    raise UserError(
      f"one point needs about {bytes_per_point:,} bytes, more than the memory budget "
      f"of {budget:,}: raise the budget or use a smaller network"
    )
  most = min(budget / bytes_per_point, max(_FEWEST, machine.cache_memory() / bytes_per_point))
  chunk = 1
  while 2 * chunk <= most and chunk < points:
    chunk *= 2
  return Plan(points, min(chunk, points), bytes_per_point, budget)


def apply(function: Callable[[Any], Any], batch: Any, plan: Plan) -> Any:
  """function(batch), a chunk at a time.

  Args:
    function: as given to `plan`; a point's result must not depend on the other points.
    batch: pytree of arrays (B, ...), B = plan.points.
    plan: from `plan`.

  Returns:
    A pytree of arrays (B, ...).
  """
  chex.assert_tree_shape_prefix(batch, (plan.points,))
  if plan.num_chunks == 1:
    return function(batch)
  out = jax.lax.map(function, _fold(batch, plan))
  # In full: -1 does not say how many rows an array without columns has.
  flat = lambda a: a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])
  return jax.tree.map(lambda a: flat(a)[: plan.points], out)


def accumulate(
  function: Callable[[Any, jax.Array], Any], batch: Any, scale: jax.Array, plan: Plan
) -> Any:
  """The sum over chunks of function(chunk, scale of the chunk).

  Args:
    function: (rows, scale (C,)) -> pytree; rows of scale 0 must contribute nothing.
    batch: pytree of arrays (B, ...), B = plan.points.
    scale: (B,).
    plan: from `plan`.

  Returns:
    The sum.
  """
  chex.assert_tree_shape_prefix((batch, scale), (plan.points,))
  if plan.num_chunks == 1:
    return function(batch, scale)
  scales = jnp.pad(scale, (0, plan.num_chunks * plan.chunk - plan.points))
  chunks = _fold(batch, plan), scales.reshape(plan.num_chunks, plan.chunk)
  shapes = jax.eval_shape(function, *jax.tree.map(lambda a: a[0], chunks))
  zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  total, _ = jax.lax.scan(
    lambda total, chunk: (jax.tree.map(jnp.add, total, function(*chunk)), None), zero, chunks
  )
  return total


def _fold(batch, plan):
  """Arrays (chunks, chunk, ...), padded with a real point: nothing singular is evaluated."""
  padding = plan.num_chunks * plan.chunk - plan.points

  def fold(a):
    a = jnp.concatenate([a, jnp.repeat(a[:1], padding, axis=0)])
    return a.reshape(plan.num_chunks, plan.chunk, *a.shape[1:])

  return jax.tree.map(fold, batch)


def _num_points(batch):
  sizes = {a.shape[0] for a in jax.tree.leaves(batch)}
  chex.assert_equal(len(sizes), 1)
  return sizes.pop()


def _peak_bytes(jaxpr) -> int:
  """Largest total size of the values alive at once, inputs included, in the order of the trace."""
  last = {}
  for step, equation in enumerate(jaxpr.eqns):
    for v in equation.invars:
      if isinstance(v, core.Var):
        last[v] = step
  for v in jaxpr.outvars:
    if isinstance(v, core.Var):
      last[v] = len(jaxpr.eqns)
  alive = sum(_bytes(v) for v in (*jaxpr.invars, *jaxpr.constvars))
  peak = alive
  for step, equation in enumerate(jaxpr.eqns):
    # What happens inside a call comes on top of what is alive around it.
    inside = max((_peak_bytes(sub) for sub in _called(equation)), default=0)
    new = sum(_bytes(v) for v in equation.outvars)
    peak = max(peak, alive + max(new, inside))
    alive += new
    dead = {
      v
      for v in (*equation.invars, *equation.outvars)
      if isinstance(v, core.Var) and last.get(v, step) <= step
    }
    alive -= sum(_bytes(v) for v in dead)
  return peak


def _called(equation):
  for value in jax.tree.leaves(
    list(equation.params.values()), is_leaf=lambda p: isinstance(p, core.ClosedJaxpr | core.Jaxpr)
  ):
    if isinstance(value, core.ClosedJaxpr):
      yield value.jaxpr
    elif isinstance(value, core.Jaxpr):
      yield value


def _bytes(v) -> int:
  return v.aval.size * v.aval.dtype.itemsize
