"""The phi network that also sees how the variety bends."""

from __future__ import annotations

from collections.abc import Sequence

import chex
import jax.numpy as jnp

from networks import embeddings, extrinsic, jets, mlp, phi, registry


@registry.register("curvature_mlp")
class CurvatureMLP(phi.PhiMLP):
  """phi = MLP(z_i conj(z_j) / |z|^2, scalars of `networks.extrinsic`), zero at initialisation.

  Meant for a metric that is good already, "algebraic(degree=5) + curvature_mlp()": what algebraic
  metrics lack lies where the variety bends sharply, and there phi follows from the second
  fundamental form.
  """

  def __init__(
    self,
    ambient: Sequence[int],
    moduli: Sequence[float],
    polynomials: Sequence[extrinsic.Polynomial],
    widths: Sequence[int] = (48, 48, 48),
    activation: str = "tanh",
    name: str | None = None,
  ):
    """Creates the module.

    Args:
      ambient: dimensions (n_1, .., n_m) of the ambient projective spaces.
      moduli: Kaehler moduli (t_1, .., t_m).
      polynomials: exponents (M, N) and coefficients (M,) of each defining polynomial.
      widths: widths of the hidden layers.
      activation: a key of `networks.activations.ACTIVATIONS`.
      name: Haiku name.

    Raises:
      ValueError: an unknown activation or a width that is not positive.
    """
    super().__init__(ambient, widths, activation, name)
    self.moduli, self.polynomials = tuple(moduli), polynomials

  def jet_types(self) -> tuple[type[jets.Jet], ...]:
    """Of type (1, 1): the (2, 2) rules unroll each of its many products too far."""
    return (jets.Jet,)

  def features(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """What phi is a perceptron of; no parameters.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or the Jet of these
        coordinates.

    Returns:
      (..., F), or the Jet of it.
    """
    return jets.concatenate(
      [
        embeddings.SpectralEmbedding(self.ambient)(x),
        extrinsic.scalars(self.ambient, self.moduli, self.polynomials, x),
      ]
    )

  def keep(self, x: jets.Jet) -> dict[str, chex.Array]:
    """The rows (B, R, F) of the features' jet."""
    return {"features": jnp.moveaxis(self.features(x).rows, 0, 1)}

  def __call__(
    self, x: chex.Array | jets.Jet, kept: dict[str, chex.Array] | None = None
  ) -> chex.Array | jets.Jet:
    """Evaluates phi, of kept features where there are some; see Network."""
    features = jets.Jet(jnp.moveaxis(kept["features"], 1, 0)) if kept else self.features(x)
    return mlp.MLP((*self.widths, 1), self.activation, zero_last=True)(features)[..., 0]
