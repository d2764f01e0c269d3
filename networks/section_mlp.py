"""Networks of trained holomorphic sections: functions |s_a|^2 / |z|^2k, the phases of which no z_i conj(z_j) shows."""

from __future__ import annotations

from collections.abc import Sequence

import chex
import haiku as hk
import jax.numpy as jnp

from networks import activations
from networks import embeddings
from networks import gauge
from networks import jets
from networks import mlp
from networks import registry
from networks import sections as section_jets
from networks.algebraic import Sections, check_degree, pack_hermitian_rows, squared_norm
from networks.split_complex import Complex


@registry.register("section_mlp")
class SectionMLP(hk.Module):
  """phi = MLP(spectral embedding, |W_a s|^2 / prod_i |z^(i)|^(2 k t_i)), zero at initialisation.

  s are all sections of multidegree k t; the parameter "w", (2 N_k, M), holds [Re W | Im W] of M of them that are trained.
  """

  # The same code and parameters serve arrays and jets of both types.
  supports_jets = True
  # The trainer passes the variety's Kaehler moduli and sections besides the ambient space.
  needs_sections = True

  def __init__(self, ambient: Sequence[int], moduli: Sequence[float], sections: Sections, degree: int,
               num_sections: int = 32, widths: Sequence[int] = (64, 64), activation: str = "gelu",
               name: str | None = None):
    """Creates the module.

    Args:
      ambient: dimensions (n_1, .., n_m) of the ambient projective spaces.
      moduli: Kaehler moduli (t_1, .., t_m).
      sections: gives the sections of multidegree k t, orthonormal for Fubini-Study.
      degree: k.
      num_sections: M.
      widths: widths of the hidden layers.
      activation: a key of `networks.activations.ACTIVATIONS`.
      name: Haiku name.

    Raises:
      ValueError: the degree is not a positive integer, sections refuses it, or an unknown activation.
    """
    super().__init__(name=name)
    activations.check(activation)
    self.ambient, self.moduli, self.degree = tuple(ambient), tuple(moduli), degree
    self.exponents, self.coefficients = sections(check_degree(degree))
    self.num_sections, self.widths, self.activation = num_sections, tuple(widths), activation

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Evaluates phi.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or the Jet of these coordinates.

    Returns:
      (...) real, or the Jet of it.
    """
    size = self.coefficients.shape[1]
    w = hk.get_parameter("w", (2 * size, self.num_sections), jets.dtype(x),
                         init=hk.initializers.RandomNormal(0.5 ** 0.5))
    rows = section_jets.section_rows(self.exponents, self.coefficients, self.ambient, x)
    re, im = w[:size], w[size:]
    t = jets.matmul(rows, jnp.block([[re, im], [-im, re]]))
    m = self.num_sections

    def entry(i, j):
      a, b = Complex(t[i, ..., :m], t[i, ..., m:]), Complex(t[j, ..., :m], t[j, ..., m:])
      return a * b.conj() if i != j else Complex(a.re * a.re + a.im * a.im)

    squares = pack_hermitian_rows(entry, x)
    if isinstance(x, jets.Jet):
      squares = squares * self._scale(x)
    features = jets.concatenate([embeddings.SpectralEmbedding(self.ambient)(x), squares])
    phi = mlp.MLP((*self.widths, 1), self.activation, zero_last=True)(features)
    return phi[..., 0]

  def _scale(self, x: jets.Jet) -> jets.Jet:
    """prod_i |z^(i)|^(-2 k t_i) in the gauge |z^(i)| = 1, (..., 1)."""
    norms = []
    for parts in gauge.factors(self.ambient):
      frame = gauge.frame(x, *parts)
      rows = jnp.concatenate([frame.re, frame.im], axis=-1)
      norms.append(squared_norm(rows, rows, x)[..., None])
    powers = -self.degree * jnp.asarray(self.moduli, jets.dtype(x))[:, None]
    return jets.activate("exp", jets.linear(jets.log(jets.concatenate(norms)), powers))
