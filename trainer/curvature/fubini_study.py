"""The Fubini-Study potential's closed-form jet of type (2, 2)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from networks import gauge, index_maps, jets22
from trainer.geometry.variety import Variety


def potential_rows(variety: Variety, x: jets22.Jet22) -> jax.Array:
  """Mixed derivatives of K = (1/pi) sum_i t_i log |z^(i)|^2.

  In the gauge of networks.gauge: K_{a bbar} = h_ab, K_{ac bbar} = t_{ac b} and
  K_{ac bbar dbar} = w_{ac bd} - h_ab h_cd - h_ad h_cb, times t_i / pi, summed over the factors.

  Args:
    variety: the variety, with its moduli t.
    x: jet of the coordinates [Re z, Im z], shape (..., 2N).

  Returns:
    (R, ...) real, rows packed as in networks.jets22. The value and the derivatives of pure type,
    which depend on the gauge and never on the geometry, are left zero.
  """
  n = x.num_directions
  log = gauge.log_norm(x, variety.ambient, [t / math.pi for t in variety.moduli])
  log = gauge.LogNorm(*(part[..., 0] for part in log))
  zeros = lambda count: jnp.zeros((count, *x.shape[:-1]), x.rows.dtype)
  m = len(log.third.re)
  return jnp.concatenate(
    [
      zeros(1 + 2 * n),
      *index_maps.form_rows(lambda a, b: log.mixed[a, b], n),
      zeros(2 * m),
      *(part.reshape(-1, *x.shape[:-1]) for part in (log.third.re, log.third.im)),
      *index_maps.form_rows(lambda p, q: log.fourth[p, q], m),
    ]
  )
