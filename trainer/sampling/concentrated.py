"""Points that crowd where a variety is nearly singular, with exact weights.

Random slices, turned by the linear maps A = s + (1 - s) p p^* in every factor, are random for the
Hermitian product in which distances across p are 1/s times as long: their points crowd within s of
p. So every pair of a focus p and a scale s has a density, known exactly. Slices are drawn from
all of them and from the uniform density, and points are weighted by the mixture, whichever slice
they came from.

For z = A y and dQ_y = dQ A: |y|^2 = |z|^2/s^2 + (1 - 1/s^2) |p^* z|^2,
dQ_y dQ_y^* = s^2 dQ dQ^* + (1 - s^2) (dQ p)(dQ p)^*, and w = |det A|^2 w_y.
"""

from __future__ import annotations

import functools
import hashlib
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import compiling
from trainer.geometry import patches
from trainer.geometry.foci import Foci
from trainer.geometry.variety import Variety
from trainer.sampling import sampler, weights
from trainer.sampling.points import Points
from trainer.sampling.roots import square
from trainer.sampling.slices import SliceType

# Of the radius of a focus, and of the whole manifold.
_SMALLEST_SCALE = 0.5
_LARGEST_SCALE = 0.5
# Of slices that are uniform whatever the pilot says: points far from all foci need them.
_LEAST_UNIFORM = 0.2
# Of the first guess that is kept: what the pilot did not see must not lose all its points.
_KEPT = 0.2
_ROUNDS = 10
_POINTS_AT_ONCE = 256


class ConcentratedSampler(sampler.Sampler):
  """A sampler whose slices crowd around foci.

  Attributes:
    foci: the foci.
    scales: (F, S), geometric from half of each focus' radius up.
    shares: (1 + F S,) of sum 1: of uniform slices, then of every focus and scale.
  """

  def __init__(self, variety: Variety, foci: Foci):
    super().__init__(variety)
    smallest = _SMALLEST_SCALE * foci.radii
    count = 2 + math.ceil(math.log2(max(1.0, _LARGEST_SCALE / smallest.min())))
    exponents = np.linspace(0, 1, count)
    self.foci = foci
    self.scales = smallest[:, None] ** (1 - exponents) * _LARGEST_SCALE**exponents
    components = self.scales.size
    self.shares = np.concatenate([[0.5], np.full(components, 0.5 / components)])

  def describe(self) -> dict:
    """See Sampler.describe."""
    numbers = [self.foci.centers, self.scales, self.shares]
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in numbers))
    return {"concentrated": digest.hexdigest()}

  def frames(self, key: jax.Array, index: int) -> list[tuple[jax.Array, ...]]:
    """Frames of uniform slices, those of a cluster turned to one focus by one scale."""
    uniform, choices = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
    return _concentrate(
      self.variety,
      self.foci.centers,
      self.scales,
      self.shares,
      super().frames(uniform, index),
      jax.random.fold_in(choices, index),
    )

  def block(self, key: jax.Array, index: int) -> Points:
    """See Sampler.block; w is |Omega|^2 over the density of the mixture."""
    points = super().block(key, index)
    weight = 1 / (self.inverse_weights(points.z) @ self.shares)
    return points._replace(weight=jnp.where(points.weight > 0, weight, 0))

  def inverse_weights(self, z: jax.Array) -> jax.Array:
    """1/w for each density of the mixture alone, (B, 1 + F S), at points z (B, N)."""
    chex.assert_shape(z, (None, self.variety.num_coordinates))
    return _inverse_weights(self.variety, self.types, self.foci.centers, self.scales, z)

  def adapt(self, points: Points, square: np.ndarray) -> None:
    """Sets the shares that suit an integrand.

    The variance of a mean from the mixture is convex in the shares; at its minimum every density
    in use sees the same mean of (integrand / mixture)^2, which is what the iteration balances.

    Args:
      points: pilot points of this sampler, whole blocks.
      square: (B,), the squares of the linearised deviations of its mean, weights included.
    """
    blocks = np.split(points.z, len(points.z) // self.points_per_block)
    table = np.concatenate([self.inverse_weights(z) for z in blocks])
    shares, mixture = self.shares, table @ self.shares
    importance = square * mixture
    for _ in range(_ROUNDS):
      shares = shares * (table.T @ (importance / (table @ shares) ** 2))
      shares = shares / np.sum(shares)
    shares = _KEPT * self.shares + (1 - _KEPT) * shares
    shares[0] = max(shares[0], _LEAST_UNIFORM)
    shares[1:] *= (1 - shares[0]) / np.sum(shares[1:])
    self.shares = shares


@functools.partial(jax.jit, static_argnums=0)
def _concentrate(variety, centers, scales, shares, frames, key):
  """Turns frames, at random, and makes their rows orthonormal."""
  batch = frames[0][0].shape[-1]
  choice = jax.random.choice(key, len(shares), (batch,), p=shares)
  focus, scale = jnp.divmod(jnp.maximum(choice - 1, 0), scales.shape[1])
  scale = jnp.where(choice > 0, scales[focus, scale], 1)
  p = centers[focus].T

  def turned(frame, p):
    across = jnp.sum(frame * p.conj(), axis=1, keepdims=True)
    rows = scale * frame + (1 - scale) * across * p
    basis = []
    for row in rows:  # nearly parallel if left as they are
      for b in basis:
        row = row - b * jnp.sum(b.conj() * row, axis=0)
      basis.append(row / jnp.sqrt(jnp.sum(square(row), axis=0)))
    return jnp.stack(basis)

  return [tuple(turned(f, p[s]) for f, s in zip(group, variety.factor_slices)) for group in frames]


@functools.partial(compiling.jit_older_fusions, static_argnums=(0, 1))
def _inverse_weights(
  variety: Variety,
  types: tuple[SliceType, ...],
  centers: jax.Array,
  scales: jax.Array,
  z: jax.Array,
) -> jax.Array:

  def at(z):
    dq = patches.gradient(variety, z)
    norms, grams = [], []
    for s in variety.factor_slices:
      p = centers[:, s]
      along = square(p.conj() @ z[s])[:, None]
      norms.append(jnp.sum(square(z[s])) / scales**2 + (1 - 1 / scales**2) * along)
      slope = dq[:, s] @ p.T  # (K, F)
      gram = dq[:, s] @ dq[:, s].conj().T
      grams.append(
        scales**2 * gram[:, :, None, None]
        + (1 - scales**2) * (slope[:, None] * slope[None].conj())[:, :, :, None]
      )
    concentrated = weights.inverse_weight(variety, types, norms, grams)
    concentrated = concentrated / scales ** (2 * sum(variety.ambient))
    return jnp.concatenate([1 / weights.weight(variety, types, z, dq)[None], concentrated.ravel()])

  return jax.lax.map(at, z, batch_size=_POINTS_AT_ONCE)
