"""Local coordinates around a point of a run's manifold: its metric and potential as functions."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp

from trainer.geometry import local_coordinates, patches
from trainer.use.fields import Fields


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=["params", "origin", "masks"],
  meta_fields=["fields"],
)
@dataclasses.dataclass(frozen=True)
class Chart:
  """A chart: n of the coordinates are local, one of each factor is 1, the rest depends on them.

  Local coordinates u are (2n,) real, [Re u, Im u], as JAX differentiates them, or (n,) complex. A
  chart is a pytree and serves in jit and vmap; so are `metric` and `potential`.

  Attributes:
    fields: the run's functions.
    params: their parameters.
    origin: (N,) complex, the point the chart was made for, constant coordinates 1.
    masks: which coordinates are local and which are eliminated.
  """

  fields: Fields
  params: Any
  origin: jax.Array
  masks: patches.Chart

  @property
  def local(self) -> jax.Array:
    """Which of the N coordinates are local, (n,) whole numbers."""
    return jnp.argmax(self.masks.kept, axis=1)

  @property
  def u(self) -> jax.Array:
    """The local coordinates (2n,) of the origin."""
    return self.coordinates(self.origin)

  @property
  def metric(self) -> jax.tree_util.Partial:
    """u -> g_{a bbar} (n, n) complex in the coordinates of this chart, in the precision of u."""
    return jax.tree_util.Partial(_metric, self)

  @property
  def potential(self) -> jax.tree_util.Partial:
    """u -> the Kaehler potential K () real: g_{a bbar} = d_a dbar_b K."""
    return jax.tree_util.Partial(_potential, self)

  def point(self, u: jax.Array) -> jax.Array:
    """The point (N,) complex of the manifold at local coordinates.

    Newton's method from the origin on the polynomials, with implicit derivatives of every order.

    Returns:
      Homogeneous coordinates, constant ones 1; not numbers where the method finds no point.
    """
    n = self.fields.variety.dimension
    u = jnp.asarray(u)
    chex.assert_shape(u, (n,) if jnp.iscomplexobj(u) else (2 * n,))
    u = u if jnp.iscomplexobj(u) else jax.lax.complex(u[:n], u[n:])
    masks, origin = _cast(self.masks, u.real.dtype), self.origin.astype(u.dtype)
    return local_coordinates.point(self.fields.variety, masks, origin, u)

  def coordinates(self, z: jax.Array) -> jax.Array:
    """The local coordinates (2n,) of a point z (N,) in any scaling."""
    u = local_coordinates.coordinates(self.fields.variety, self.masks, z)
    return jnp.concatenate([u.real, u.imag])

  def to(
    self, other: Chart, tensor: jax.Array, indices: str = "ha", u: jax.Array | None = None
  ) -> jax.Array:
    """A tensor's components in another chart.

    T'_b = (du^a/dv^b) T_a, T'^b = (dv^b/du^a) T^a, and their conjugates.

    Args:
      other: the chart, with local coordinates v.
      tensor: (n, .., n), components in this one at a point.
      indices: a letter for each axis: h lower holomorphic, a lower antiholomorphic, H and A upper.
      u: the point's local coordinates here; by default the origin's.

    Returns:
      Components in the other chart at the same point.
    """
    n = self.fields.variety.dimension
    chex.assert_shape(tensor, (n,) * len(indices))
    z = self.origin if u is None else self.point(u)
    upper = local_coordinates.jacobian(self.fields.variety, self.masks, other.masks, z)
    lower = jnp.linalg.inv(upper).T
    matrices = {"h": lower, "a": lower.conj(), "H": upper, "A": upper.conj()}
    for axis, index in enumerate(indices):
      tensor = jnp.moveaxis(jnp.tensordot(tensor, matrices[index], (axis, 0)), -1, axis)
    return tensor


def make_chart(fields: Fields, params: Any, z: jax.Array) -> Chart:
  """The best conditioned chart at a point z (N,) complex, see trainer.geometry.patches."""
  return Chart(fields, params, *_choose(fields.variety, z))


@functools.partial(jax.jit, static_argnums=0)
def _choose(variety, z):
  z = patches.normalise(variety, z)
  return z, patches.choose_chart(variety, z)


def _cast(masks, dtype):
  return jax.tree.map(lambda a: a.astype(dtype), masks)


@jax.jit
def _metric(chart: Chart, u: jax.Array) -> jax.Array:
  z = chart.point(u)
  return chart.fields.metric(chart.params, z, _cast(chart.masks, z.real.dtype))


@jax.jit
def _potential(chart: Chart, u: jax.Array) -> jax.Array:
  return chart.fields.potential(chart.params, chart.point(u))
