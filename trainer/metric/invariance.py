"""Refuses networks that are no functions on the manifold: those that see the scale of a factor."""

import jax
import jax.numpy as jnp
import numpy as np

from networks import registry
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.metric.build import Built, build
from trainer.problem.network_text import parse_network, split_terms

_POINTS = 4
# Of the largest modulus; what is not invariant changes by some ten per cent.
_TOLERANCE = 1e-3
# Parameters are moved by this, too: many networks vanish at those they start from.
_MOVED = 0.1


def check_invariance(variety: Variety, network: str) -> None:
  """Checks on random points that multiplying the coordinates of a factor changes nothing.

  phi(lambda z) = phi(z) for a potential; h_ij(lambda z) = h_ij(z) / (lambda_i conj(lambda_j)) for
  a Hermitian form, lambda_i that of the factor of z_i.

  Args:
    variety: the manifold.
    network: see trainer.metric.ansatz.make_ansatz.

  Raises:
    UserError: some term of the network changes; the message names the factor and by how much.
  """
  for text in split_terms(network):
    if registry.resolve(parse_network(text)[0]).__module__.split(".")[0] == "networks":
      continue  # Ours are invariant, and their tests say so.
    built = build(variety, text)
    scales = _scales(variety)
    plain, scaled = _outputs(variety, built, scales)
    if not np.any(np.isfinite(plain[0])):
      raise UserError(
        f"network {text!r} is not finite at any of {_POINTS} random points: look for logarithms, "
        "roots and quotients of zero in it"
      )
    # Moved parameters may be none the network is made for: what is not finite says nothing.
    size = np.nanmax(np.abs(plain), axis=(1, *range(2, plain.ndim)), keepdims=True)
    change = np.nan_to_num(np.abs(scaled - plain[:, None]), nan=0, posinf=0)
    rounding = np.sqrt(np.finfo(plain.dtype).eps)
    change = change / np.maximum(np.nan_to_num(size, posinf=0), rounding)[:, None]
    change = np.moveaxis(change, 1, 0).reshape(len(variety.ambient), -1).max(axis=1)
    factor = int(np.argmax(change))
    if change[factor] > _TOLERANCE:
      what = "a function on" if not built.shape else "a form on"
      raise UserError(
        f"network {text!r} is not {what} the manifold: it changes by {change[factor]:.2g} of its "
        f"size when the coordinates of factor {factor + 1} (P^{variety.ambient[factor]}) are "
        "multiplied by a complex number; build it of invariants, such as "
        "networks.embeddings.SpectralEmbedding"
      )


def _scales(variety: Variety) -> np.ndarray:
  """For each factor (m, N) complex: lambda on its coordinates, 1 on the others."""
  rows = np.ones((len(variety.ambient), variety.num_coordinates), complex)
  for row, s in zip(rows, variety.factor_slices, strict=True):
    row[s] = 0.6 - 1.1j
  return rows


def _outputs(variety: Variety, built: Built, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """(2, B, ..) at random points; (2, m, B, ..) at scaled ones, for two sets of parameters."""
  rng = np.random.default_rng(0)
  z = rng.normal(size=(_POINTS, variety.num_coordinates, 2)) @ [1, 1j]
  z = np.concatenate([z[None], scales[:, None] * z])
  x = jnp.concatenate([z.real, z.imag], axis=-1)
  params = built.init(jax.random.key(0))
  moved = jax.tree.map(lambda a: a + _MOVED * rng.normal(size=a.shape).astype(a.dtype), params)
  at_points = jax.jit(jax.vmap(jax.vmap(built.apply, (None, 0)), (None, 0)))
  outputs = np.stack([np.asarray(at_points(p, x)) for p in (params, moved)])
  if built.shape:
    factors = np.concatenate([np.ones_like(scales[:1]), scales])
    outputs = outputs * (factors[:, :, None] * factors[:, None].conj())[:, None]
  return outputs[:, 0], outputs[:, 1:]
