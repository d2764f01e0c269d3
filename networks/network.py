"""What a network may do beyond evaluating phi: override what it can, nothing else is asked for.

  class Mine(network.Network):
    def jet_types(self):
      return (jets.Jet,)                   # __call__ takes jets of type (1, 1): many times faster

    def keep(self, x):
      return {"features": ...}             # and then __call__(x, kept)

Any Haiku module or function of a point that returns phi is a network without this, too. What its
constructor, or the function itself, names of the geometry it is given (trainer.metric.build):

  ambient       (n_1, .., n_m), dimensions of the ambient projective spaces
  moduli        (t_1, .., t_m), Kaehler moduli
  polynomials   exponents (M, N) and coefficients (M,) of each defining polynomial
  monomials     exponents (M, N) of each defining polynomial
  sections      degree k -> exponents (M, N), coefficients (M, N_k) of the sections of multidegree k
                t, which has to be whole
  terms         degree k -> the fields of each networks.algebraic.Term, for any t
"""

from __future__ import annotations

from typing import Any

import chex
import haiku as hk

from networks import jets

Kept = dict[str, chex.Array]
Params = dict[str, dict[str, chex.Array]]


class Network(hk.Module):
  """A network of one point with optional methods; those that are not overridden offer nothing."""

  def __call__(self, x: chex.Array | jets.Jet, kept: Kept | None = None) -> chex.Array | jets.Jet:
    """Evaluates the network.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or a Jet of these coordinates
        of one of `jet_types`.
      kept: what `keep` returned for the same points, if it was computed before.

    Returns:
      (...) real, phi, or the Jet of it; an array may be (..., N, N) complex instead, a Hermitian
      form h_ij dz^i dzbar^j, which is pulled back to the variety.
    """
    raise NotImplementedError

  def jet_types(self) -> tuple[type[jets.Jet], ...]:
    """The types of jets that __call__ takes besides arrays: jets.Jet, jets22.Jet22."""
    return ()

  def keep(self, x: jets.Jet) -> Kept:
    """What __call__ needs of points and no parameter changes, worth keeping for later steps.

    Args:
      x: Jet (B, 2N) of the coordinates of B points.

    Returns:
      name -> (B, ...).
    """
    raise NotImplementedError

  def form(self) -> Any:
    """The form in whose entries exp(pi k K) is linear; its linearisation goes by its type.

    Returns:
      Such as networks.algebraic.FullForm; see trainer.metric.forms for types of one's own.
    """
    raise NotImplementedError

  def spectrum(self, params: Params) -> chex.Array:
    """Of a metric that is positive everywhere if a Hermitian form H is: the eigenvalues of H.

    Args:
      params: those of this network, {module: {name: array}}.

    Returns:
      (N,), in any order, those of the Fubini-Study form equal to one another.
    """
    raise NotImplementedError

  def admit(self, params: Params) -> Params:
    """The nearest parameters for which H is positive, see networks.positive; training stays there.

    Args:
      params: as in `spectrum`.

    Returns:
      Parameters; the same where H is positive.
    """
    raise NotImplementedError


def offers(network: Any, method: str) -> bool:
  """Whether a network overrides one of the optional methods of Network."""
  return isinstance(network, Network) and (
    getattr(type(network), method) is not getattr(Network, method)
  )
