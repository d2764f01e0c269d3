"""The derivative of eta with respect to the parameters, as a linear map and as a matrix.

A Linearisation is what the Gauss-Newton solvers know of a metric. Vectors of parameters are flat, in the order
of jax.flatten_util.ravel_pytree; every function acts on any number of points. Directions may be given in other
coordinates than the parameters', in which the problem is better conditioned: `unfold` leads back.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import chex
import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from trainer.geometry import hermitian
from trainer.metric.ansatz import Ansatz
from trainer.optimizers.first_order_step import volume_ratio
from trainer.points.batch import Batch


class Linearisation(NamedTuple):
  """J = d eta / d parameters at the points of a batch.

  Attributes:
    eta: (params, Batch) -> eta (B,) and whether g is positive definite (B,).
    prepare: (at, Batch) -> a pytree of arrays (B, ...): what the maps below need of each point.
    apply: (at, prepared, v (P,)) -> J v (B,).
    transpose: (at, prepared, u (B,)) -> J^T u (P,).
    rows: (at, prepared) -> J (B, P).
    squares: (at, prepared) -> |J_p|^2 (B,), the squared norms of the rows.
    at: params -> what the maps need of the parameters, once a step.
    unfold: (at, v (P,)) -> the change of the parameters (P,) that the direction v stands for, linear in v.
  """

  eta: Callable[[Any, Batch], tuple[jax.Array, jax.Array]]
  prepare: Callable[[Any, Batch], Any]
  apply: Callable[[Any, Any, jax.Array], jax.Array]
  transpose: Callable[[Any, Any, jax.Array], jax.Array]
  rows: Callable[[Any, Any], jax.Array]
  squares: Callable[[Any, Any], jax.Array]
  at: Callable[[Any], Any] = lambda params: params
  unfold: Callable[[Any, jax.Array], jax.Array] = lambda at, v: v


def eta(ansatz: Ansatz, params: Any, batch: Batch) -> tuple[jax.Array, jax.Array]:
  """eta of an ansatz and whether its g is positive definite, (B,) each."""
  return eta_of_metric(ansatz.metric(params["network"], batch), params["log_kappa"], batch)


def eta_of_metric(
  metric: jax.Array, log_kappa: jax.Array, batch: Batch
) -> tuple[jax.Array, jax.Array]:
  """eta of a metric (n * n, B) and whether it is positive definite, (B,) each."""
  return volume_ratio(metric, log_kappa, batch), hermitian.is_positive(metric)


def of_network(ansatz: Ansatz) -> Linearisation:
  """The linearisation of any network, or of the last of a sum: the rows of J, one reverse pass for all points together.

  Vectorised over points, the reverse pass of a layer is the outer product of its inputs' and its outputs' rows.
  """

  def prepare(params, batch):
    chex.assert_rank(batch.x, 2)

    def row(point):
      one = jax.tree.map(lambda a: a[None], point)
      value = lambda part: eta(ansatz, ansatz.with_trained(params, part), one)[0][0]
      return ravel_pytree(jax.grad(value)(ansatz.trained(params)))[0]

    return jax.vmap(row)(batch)

  linear = of_matrix(functools.partial(eta, ansatz), prepare)
  if ansatz.base is None:
    return linear

  def unfold(params, v):
    part = ravel_pytree(ansatz.trained(params))[1](v)
    return ravel_pytree(ansatz.with_trained(jax.tree.map(jnp.zeros_like, params), part))[0]

  return linear._replace(unfold=unfold)


def of_matrix(eta: Callable, rows: Callable[[Any, Batch], jax.Array]) -> Linearisation:
  """The linearisation that keeps J itself: eta as in `Linearisation`, rows (params, Batch) -> J (B, P)."""
  return Linearisation(
    eta=eta,
    prepare=rows,
    apply=lambda params, rows, v: rows @ v.astype(rows.dtype),
    transpose=lambda params, rows, u: u.astype(rows.dtype) @ rows,
    rows=lambda params, rows: rows,
    squares=lambda params, rows: jnp.sum(rows * rows, axis=1),
  )


def lazily(linear: Linearisation) -> Linearisation:
  """The same map, with what it needs of a point computed anew each time: nothing is kept but the points."""
  maps = {
    name: functools.partial(_lazy, linear.prepare, getattr(linear, name))
    for name in ("apply", "transpose", "rows", "squares")
  }
  return linear._replace(prepare=lambda at, batch: batch, **maps)


def _lazy(prepare, function, at, batch, *vectors):
  return function(at, prepare(at, batch), *vectors)
