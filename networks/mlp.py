"""A multilayer perceptron for arrays and jets alike."""

from __future__ import annotations

from collections.abc import Sequence

import chex
import haiku as hk
import jax.numpy as jnp

from networks import adjoint, adjoint22, jets, jets22, products22


class MLP(hk.Module):
  """Dense layers f(x w + b) and a linear last one, which starts at zero if asked to."""

  def __init__(
    self, widths: Sequence[int], activation: str, zero_last: bool = False, name: str | None = None
  ):
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

  def __call__(self, x: chex.Array | jets.Jet | products22.Features) -> chex.Array | jets.Jet:
    """(..., F) -> (..., widths[-1]); of `Features` with one output, a Jet22 (P, 1)."""
    known = x.low if isinstance(x, products22.Features) else x
    dtype, fan_in, weights, biases = jets.dtype(known), known.shape[-1], [], []
    for layer, width in enumerate(self.widths):
      zero = self.zero_last and layer == len(self.widths) - 1
      w_init = jnp.zeros if zero else hk.initializers.TruncatedNormal(fan_in**-0.5)
      weights.append(hk.get_parameter(f"w{layer}", (fan_in, width), dtype, init=w_init))
      biases.append(hk.get_parameter(f"b{layer}", (width,), dtype, init=jnp.zeros))
      fan_in = width
    if self.widths[-1] == 1:
      if isinstance(x, products22.Features):
        return jets22.Jet22(adjoint22.scalar_rows(self.activation, weights, biases, x)[..., None])
      if isinstance(x, jets.Jet):
        scalar_mlp = adjoint22.scalar_mlp if isinstance(x, jets22.Jet22) else adjoint.scalar_mlp
        return scalar_mlp(self.activation, weights, biases, x)
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
      x = jets.dense(self.activation, x, w, b)
    return jets.linear(x, weights[-1], biases[-1])
