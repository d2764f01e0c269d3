"""Algebraic metrics whose form differs from Fubini-Study's by one of low rank.

H = 1 + U V* + V U* with U and V of shape (N_k, r) has 4 r N_k real parameters in place of N_k^2:
high degrees, whose sections follow the phases of the defining polynomials, at the cost of a
network.
"""

from collections.abc import Sequence

import chex
import haiku as hk
import jax.numpy as jnp

from networks import jets, jets22, network, positive, registry
from networks import sections as section_jets
from networks.algebraic import Sections, check_degree, relative_potential, squared_norm


@registry.register("low_rank")
class LowRankMetric(network.Network):
  """phi = (1 / (pi k)) log s* H s - (Fubini-Study potential), H = 1 + U V* + V U*; zero at first.

  Parameters "u" and "v", (2, N_k, r) real, hold the real and imaginary parts; u starts random, v at
  zero.
  """

  def __init__(
    self,
    ambient: Sequence[int],
    moduli: Sequence[float],
    sections: Sections,
    degree: int,
    rank: int,
    name: str | None = None,
  ):
    """Creates the module.

    Args:
      ambient: dimensions (n_1, .., n_m) of the ambient projective spaces.
      moduli: Kaehler moduli (t_1, .., t_m).
      sections: gives the sections of multidegree k t, orthonormal for Fubini-Study.
      degree: k.
      rank: r; H - 1 has rank 2 r at most.
      name: Haiku name.

    Raises:
      ValueError: the degree or the rank is not a positive integer, or sections refuses the degree.
    """
    super().__init__(name=name)
    if not isinstance(rank, int) or rank < 1:
      raise ValueError(f"rank = {rank!r} must be a positive whole number")
    self.ambient, self.moduli, self.degree = tuple(ambient), tuple(moduli), degree
    self.exponents, self.coefficients = sections(check_degree(degree))
    self.rank = rank

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Evaluates phi.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or the Jet of these
        coordinates.

    Returns:
      (...) real, or the Jet of it.
    """
    shape = (2, self.coefficients.shape[1], self.rank)
    dtype = jets.dtype(x)
    u = _packed(
      hk.get_parameter("u", shape, dtype, init=hk.initializers.RandomNormal((2 * shape[1]) ** -0.5))
    )
    v = _packed(hk.get_parameter("v", shape, dtype, init=jnp.zeros))
    rows = section_jets.section_rows(self.exponents, self.coefficients, self.ambient, x)
    product = lambda a, b: jets.matmul(jets.matmul(rows, a), b.T)
    rho = squared_norm(rows, rows + product(v, u) + product(u, v), x)
    return relative_potential([(1 / self.degree, rho)], self.ambient, self.moduli, x)

  def jet_types(self) -> tuple[type[jets.Jet], ...]:
    """Of both types: the same code and parameters serve arrays and jets."""
    return jets.Jet, jets22.Jet22

  def spectrum(self, params: network.Params) -> chex.Array:
    """The eigenvalues of H that may differ from 1, and 1."""
    (arrays,) = params.values()
    factors = jnp.concatenate([_packed(arrays["u"]), _packed(arrays["v"])], axis=1)
    # H - 1 = F S F^T, S exchanging U and V, has the eigenvalues of R S R^T with F = Q R.
    r = jnp.linalg.qr(factors, mode="r")
    swapped = jnp.roll(r, 2 * self.rank, axis=1)
    return jnp.append(1 + jnp.linalg.eigvalsh(swapped @ r.T), 1.0)

  def admit(self, params: network.Params) -> network.Params:
    """Moves H towards 1, so far that it is positive: V is made smaller."""
    values = self.spectrum(params)
    part = 1 - positive.blend(jnp.min(values), jnp.max(values))
    return {module: arrays | {"v": part * arrays["v"]} for module, arrays in params.items()}


def _packed(u: chex.Array) -> chex.Array:
  """The real P (2N, 2r) with [Re s | Im s] P = [Re U* s | Im U* s]; P^T does the same for U."""
  return positive.packed(*u)
