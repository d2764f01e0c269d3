"""Losses: per-point tensors in, (numerator, denominator) out.

The mesh sums both over all devices and divides afterwards, so that a loss does not depend on how the
points are spread. Nothing here communicates.
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from trainer.errors import UserError


class Tensors(NamedTuple):
  """What losses are made of.

  Attributes:
    eta: (B,) real, det g / (kappa |Omega|^2).
    ricci_scalar: (B,) real, or None where the loss does not need it.
  """

  eta: jax.Array
  ricci_scalar: jax.Array | None


class Loss(NamedTuple):
  """A loss.

  Attributes:
    sums: (Tensors, weight (B,)) -> (numerator (), denominator ()), sums over the points of which the
      denominator reads the weights only.
    needs_curvature: whether it reads the Ricci scalar.
  """

  sums: Callable[[Tensors, jax.Array], tuple[jax.Array, jax.Array]]
  needs_curvature: bool


def make_loss(name: str, power: int) -> Loss:
  """Returns the loss called `name` with exponent `power`; UserError if there is none."""
  losses = {"monge_ampere": monge_ampere, "ricci": ricci}
  if name not in losses:
    raise UserError(f"unknown loss {name!r}: use one of {', '.join(losses)}")
  if power not in (1, 2):
    raise UserError(f"config.loss.power = {power} must be 1 or 2")
  return losses[name](power)


def monge_ampere(power: int) -> Loss:
  """The Monge-Ampere loss < |1 - eta|^p >, eta = det g / (kappa |Omega|^2).

  It vanishes if and only if g is Ricci-flat. p = 1 is sigma (Douglas, Karp, Lukic, Reinbacher 2006),
  p = 2 is E (Headrick, Nassar 2009).
  """
  return Loss(lambda tensors, weight: _mean(1 - tensors.eta, weight, power), False)


def ricci(power: int) -> Loss:
  """The Ricci loss < |R|^p > of the scalar curvature R = g^{a bbar} Ric_{a bbar}.

  It vanishes if and only if g is Ricci-flat: a Kaehler metric of constant scalar curvature in a class
  where c_1 = 0 is Ricci-flat.
  """
  return Loss(lambda tensors, weight: _mean(tensors.ricci_scalar, weight, power), True)


def _mean(residual: jax.Array, weight: jax.Array, power: int) -> tuple[jax.Array, jax.Array]:
  chex.assert_rank([residual, weight], 1)
  chex.assert_equal_shape([residual, weight])
  value = jnp.abs(residual) if power == 1 else jnp.square(residual)
  return jnp.sum(weight * value), jnp.sum(weight)
