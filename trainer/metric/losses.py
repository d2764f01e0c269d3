"""Losses of a metric: what is to vanish at every point, by name or from a user's file.

A loss is one function of the metric's Tensors at points, to a value and what it should be; the
weighted mean of |value - target|^p is what first-order steps lower. In a file of one's own, named
in the config as config.loss.name = "path/to/file.py:my_loss":

  def my_loss(tensors):
    return jnp.log(tensors.eta), 0.0
"""

from collections.abc import Callable
import functools
from typing import Any

import jax
import jax.numpy as jnp

from networks.registry import Registry
from trainer.curvature import tensors as curvature
from trainer.errors import UserError
from trainer.geometry import hermitian
from trainer.metric.ansatz import Ansatz
from trainer.points.batch import Batch
from trainer.problem.linearise import Residual

LOSSES = Registry("loss")
Loss = Callable[["Tensors"], tuple[jax.Array, float]]


class Tensors:
  """A metric at points: what losses are made of, each computed when it is first read."""

  def __init__(self, ansatz: Ansatz, params: Any, batch: Batch):
    """Args: the metric; {"network": its parameters, "log_kappa": ()}; B points."""
    self._ansatz, self._params, self._batch = ansatz, params, batch

  @classmethod
  def of_metric(cls, metric: jax.Array, log_kappa: jax.Array, batch: Batch) -> "Tensors":
    """Of g, packed (n * n, B), that is known already; without curvature."""
    known = cls(None, {"log_kappa": log_kappa}, batch)
    known.metric = metric
    return known

  @functools.cached_property
  def potential(self) -> jax.Array:
    """The (2, 2) jet (R, B) of the Kaehler potential, see trainer.curvature.tensors."""
    return self._ansatz.potential(self._params["network"], self._batch)

  @functools.cached_property
  def metric(self) -> jax.Array:
    """g, packed (n * n, B); from the jet of the potential where that was read before."""
    if "potential" in vars(self):
      return curvature.metric(self.potential)
    return self._ansatz.metric(self._params["network"], self._batch)

  @functools.cached_property
  def eta(self) -> jax.Array:
    """det g / (kappa |Omega|^2), (B,)."""
    return volume_ratio(self.metric, self._params["log_kappa"], self._batch)

  @functools.cached_property
  def ricci_scalar(self) -> jax.Array:
    """R = g^{a bbar} Ric_{a bbar}, (B,)."""
    return curvature.scalar(self.potential)


def volume_ratio(metric: jax.Array, log_kappa: jax.Array, batch: Batch) -> jax.Array:
  """eta = det g / (kappa |Omega|^2) of a metric packed (n * n, B), (B,)."""
  return hermitian.determinant(metric) / (jnp.exp(log_kappa) * batch.omega)


def residual(loss: Loss, tensors: Tensors) -> Residual:
  """What a loss wants to vanish, admissible where g is positive definite; sigma is watched."""
  value, target = loss(tensors)
  sigma = jnp.abs(tensors.eta - 1)
  return Residual(value, target, hermitian.is_positive(tensors.metric), {"sigma": sigma})


def make_loss(name: str, power: int) -> tuple[Loss, int]:
  """The loss called `name`, registered or a file's, and its exponent, or a UserError."""
  try:
    loss = LOSSES.resolve(name)
  except ValueError as error:
    raise UserError(str(error)) from None
  if power not in (1, 2):
    raise UserError(f"config.loss.power = {power} must be 1 or 2")
  return loss, power


@LOSSES.register("monge_ampere")
def monge_ampere(tensors: Tensors) -> tuple[jax.Array, float]:
  """The Monge-Ampere residual eta - 1.

  It vanishes if and only if g is Ricci-flat. < |eta - 1| > is sigma (Douglas, Karp, Lukic,
  Reinbacher 2006), < (eta - 1)^2 > is E (Headrick, Nassar 2009).
  """
  return tensors.eta, 1.0


@LOSSES.register("ricci")
def ricci(tensors: Tensors) -> tuple[jax.Array, float]:
  """The scalar curvature R = g^{a bbar} Ric_{a bbar}.

  It vanishes if and only if g is Ricci-flat: a Kaehler metric of constant scalar curvature in a
  class where c_1 = 0 is Ricci-flat.
  """
  return tensors.ricci_scalar, 0.0
