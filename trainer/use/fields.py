"""The metric of a run and its potential as functions of parameters and points."""

import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp

from networks import reverse
from trainer.errors import UserError
from trainer.geometry import fubini_study, patches
from trainer.geometry.variety import Variety
from trainer.metric import ansatz as ansatze
from trainer.metric import pointwise
from trainer.metric.ansatz import Ansatz


@dataclasses.dataclass(frozen=True)
class Fields:
  """What a run's functions depend on besides parameters: equal ones compile once a process.

  Attributes:
    variety: the manifold.
    network: as trainer.metric.ansatz.make_ansatz takes it.
    share: how much is left of the last correction.
  """

  variety: Variety
  network: str
  share: float = 1.0

  @property
  def ansatz(self) -> Ansatz:
    """The metric's ansatz."""
    return _ansatz(self)

  def metric(self, params: Any, z: jax.Array, chart: patches.Chart) -> jax.Array:
    """g_{a bbar} at a point in the coordinates of a chart.

    Args:
      params: of the ansatz.
      z: (N,) complex, on the variety, the chart's constant coordinates 1.
      chart: the chart.

    Returns:
      (n, n) complex, in the precision of z.
    """
    params = cast(params, z.real.dtype)
    return pointwise.metric_in_chart(self.variety, self.ansatz, params, z, chart)

  def potential(self, params: Any, z: jax.Array) -> jax.Array:
    """K with g_{a bbar} = d_a dbar_b K at a point, in the scaling of z.

    Args:
      params: of the ansatz.
      z: (N,) complex, on the variety; K changes by a harmonic function with its scaling.

    Returns:
      () real, in the precision of z.

    Raises:
      UserError: the metric has no potential.
    """
    chex.assert_shape(z, (self.variety.num_coordinates,))
    if self.ansatz.phi is None:
      raise UserError(f"the network {self.network} makes a metric without a potential")
    x = jnp.concatenate([z.real, z.imag])
    with reverse.plain():
      phi = self.ansatz.phi(cast(params, x.dtype), x)
    return fubini_study.potential(self.variety, z) + phi


@functools.lru_cache(maxsize=32)
def _ansatz(fields: Fields) -> Ansatz:
  # The first caller may be a function under trace: nothing of its trace may be kept.
  with jax.ensure_compile_time_eval():
    whole = ansatze.make_ansatz(fields.variety, fields.network)
  return whole if fields.share == 1 else ansatze.shrunk(fields.variety, whole, fields.share)


def cast(params: Any, dtype: jnp.dtype) -> Any:
  """Parameters in a real dtype."""
  return jax.tree.map(lambda a: jnp.asarray(a, dtype), params)
