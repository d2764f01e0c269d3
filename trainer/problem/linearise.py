"""The residual of a problem and its derivative by the parameters, as a linear map and as a matrix.

A Linearisation is what the Gauss-Newton solvers know of a problem. Vectors of parameters are flat,
in the order of jax.flatten_util.ravel_pytree of the part that is trained; every function acts on
any number of points. Directions may be given in other coordinates than the parameters', in which
the problem is better conditioned: `unfold` leads back.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

if TYPE_CHECKING:
  from trainer.problem.problem import Problem


class Residual(NamedTuple):
  """What is to vanish, at points: value - target.

  Attributes:
    value: (B, ...) real, what depends on the parameters.
    target: what it should be, a number or (B, ...); the loss is the weighted mean over the points
      of the sum of squares of value - target.
    admissible: (B,) bool, whether the field makes sense at a point: steps that spoil it are
      shortened.
    watched: name -> (B,), numbers whose weighted mean over a batch is shown with every step.
  """

  value: jax.Array
  target: jax.Array | float
  admissible: jax.Array
  watched: dict[str, jax.Array]

  def rows(self, dtype: jnp.dtype | None = None) -> jax.Array:
    """value - target, (B, ...), subtracted in `dtype`: nearly equal numbers keep their digits."""
    return self.value.astype(dtype or self.value.dtype) - self.target


class Linearisation(NamedTuple):
  """J = d value / d parameters at the points of a batch; "..." are the trailing axes of the value.

  Attributes:
    residual: (params, batch) -> Residual, as the problem's own.
    prepare: (at, batch) -> a pytree of arrays (B, ...): what the maps below need of each point.
    apply: (at, prepared, v (P,)) -> J v (B, ...).
    transpose: (at, prepared, u (B, ...)) -> J^T u (P,).
    rows: (at, prepared) -> J (B, ..., P).
    squares: (at, prepared) -> |J_p|^2 (B, ...), the squared norms of the rows.
    at: params -> what the maps need of the parameters, once a step.
    unfold: (at, v (P,)) -> the change of all parameters that the direction v stands for, flat,
      linear in v.
    nearly_linear: whether full steps on growing batches do without momentum: the residual bends
      little.
    low_rank: whether products with J cost far less than its P entries a row, so that many unknowns
      are solved for by iteration.
    equations: how many numbers that teach alike the residual has at a point.
    keep: batch -> {name: (B, ...)}, what all of this needs of points and no parameter changes, for
      Batch.fixed; where that is empty it is computed anew.
    together: (at, batch) -> what `residual` and `prepare` give, where that costs less than both;
      the residual is never rounded.
  """

  residual: Callable[[Any, Any], Residual]
  prepare: Callable[[Any, Any], Any]
  apply: Callable[[Any, Any, jax.Array], jax.Array]
  transpose: Callable[[Any, Any, jax.Array], jax.Array]
  rows: Callable[[Any, Any], jax.Array]
  squares: Callable[[Any, Any], jax.Array]
  at: Callable[[Any], Any] = lambda params: params
  unfold: Callable[[Any, jax.Array], jax.Array] = lambda at, v: v
  nearly_linear: bool = False
  low_rank: bool = False
  equations: int = 1
  keep: Callable[[Any], dict[str, jax.Array]] | None = None
  together: Callable[[Any, Any], tuple[Residual, Any]] | None = None


def by_autodiff(problem: Problem) -> Linearisation:
  """The linearisation of any problem: J, by one reverse pass a row for all points together.

  Vectorised over points, the reverse pass of a layer is the outer product of its inputs' and its
  outputs' rows.
  """

  def rows(params, batch):
    trained = problem.trained(params)

    def of_point(point):
      one = jax.tree.map(lambda a: a[None], point)
      value = lambda part: problem.residual(problem.with_trained(params, part), one).value[0]
      if not jax.eval_shape(value, trained).shape:
        return ravel_pytree(jax.grad(value)(trained))[0]
      flat, unravel = ravel_pytree(trained)
      return jax.jacrev(lambda flat: value(unravel(flat)))(flat)

    return jax.vmap(of_point)(batch)

  def unfold(params, v):
    trained = problem.trained(params)
    if trained is params:
      return v
    part = ravel_pytree(trained)[1](v)
    return ravel_pytree(problem.with_trained(jax.tree.map(jnp.zeros_like, params), part))[0]

  return of_matrix(problem.residual, rows)._replace(unfold=unfold)


def of_matrix(residual: Callable, rows: Callable[[Any, Any], jax.Array]) -> Linearisation:
  """The linearisation that keeps J itself.

  Args:
    residual: as in Linearisation.
    rows: (params, batch) -> J (B, ..., P).
  """
  return Linearisation(
    residual=residual,
    prepare=rows,
    apply=lambda params, rows, v: rows @ v.astype(rows.dtype),
    transpose=lambda params, rows, u: jnp.tensordot(u.astype(rows.dtype), rows, u.ndim),
    rows=lambda params, rows: rows,
    squares=lambda params, rows: jnp.sum(rows * rows, axis=-1),
  )


def lazily(linear: Linearisation) -> Linearisation:
  """The same map, what it needs of a point computed anew each time: only the points are kept."""
  maps = {
    name: functools.partial(_lazy, linear.prepare, getattr(linear, name))
    for name in ("apply", "transpose", "rows", "squares")
  }
  return linear._replace(prepare=lambda at, batch: batch, together=None, **maps)


def _lazy(prepare, function, at, batch, *vectors):
  return function(at, prepare(at, batch), *vectors)
