"""A multilayer perceptron for arrays and jets alike."""

from __future__ import annotations

from collections.abc import Sequence

import chex
import haiku as hk
import jax.numpy as jnp

from networks import jets


class MLP(hk.Module):
  """Dense layers f(x w + b) and a linear last one, which starts at zero if asked to."""

  def __init__(self, widths: Sequence[int], activation: str, zero_last: bool = False,
               name: str | None = None):
    """Creates the module.

    Args:
      widths: output width of every layer; the last layer has no activation.
      activation: a key of `networks.activations.ACTIVATIONS`.
      zero_last: whether the last layer starts at zero.
      name: Haiku name.
    """
    super().__init__(name=name)
    self.widths = tuple(widths)
    self.activation = activation
    self.zero_last = zero_last

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """(..., F) -> (..., widths[-1])."""
    dtype = jets.dtype(x)
    for layer, width in enumerate(self.widths):
      last = layer == len(self.widths) - 1
      fan_in = x.shape[-1]
      w_init = (jnp.zeros if last and self.zero_last
                else hk.initializers.TruncatedNormal(fan_in ** -0.5))
      w = hk.get_parameter(f"w{layer}", (fan_in, width), dtype, init=w_init)
      b = hk.get_parameter(f"b{layer}", (width,), dtype, init=jnp.zeros)
      x = jets.linear(x, w, b) if last else jets.dense(self.activation, x, w, b)
    return x
