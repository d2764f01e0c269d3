"""The phi network: a real function on the manifold, added to the Fubini-Study potential."""

from __future__ import annotations

from collections.abc import Sequence

import chex

from networks import activations, embeddings, jets, jets22, mlp, network, products22, registry


@registry.register("phi_mlp")
class PhiMLP(network.Network):
  """phi = MLP(spectral embedding): invariant under C* of each factor, zero at initialisation."""

  def __init__(
    self,
    ambient: Sequence[int],
    widths: Sequence[int] = (64, 64, 64),
    activation: str = "gelu",
    name: str | None = None,
  ):
    """Creates the module.

    Args:
      ambient: dimensions (n_1, .., n_m) of the ambient projective spaces.
      widths: widths of the hidden layers.
      activation: a key of `networks.activations.ACTIVATIONS`.
      name: Haiku name.

    Raises:
      ValueError: for an unknown activation or a width that is not positive.
    """
    super().__init__(name=name)
    activations.check(activation)
    if not widths or any(width < 1 for width in widths):
      raise ValueError(f"widths must be one or more positive integers, got {tuple(widths)}")
    self.ambient = tuple(ambient)
    self.widths = tuple(widths)
    self.activation = activation

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Evaluates phi.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or the Jet of these
        coordinates, of type (2, 2) of shape (P, 2N).

    Returns:
      (...) real, or the Jet of it.
    """
    embed = embeddings.SpectralEmbedding(self.ambient)
    second = isinstance(x, jets22.Jet22)
    features = products22.features(embed.products(x)) if second else embed(x)
    phi = mlp.MLP((*self.widths, 1), self.activation, zero_last=True)(features)
    return phi[..., 0]

  def jet_types(self) -> tuple[type[jets.Jet], ...]:
    """Of both types: the same code and parameters serve arrays and jets."""
    return jets.Jet, jets22.Jet22
