"""The Fubini-Study potential's closed-form jet of type (2, 2)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from networks import gauge, index_maps, jets22
from networks.split_complex import Complex
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
  # Entries as arrays of indices of the frame, whose vectors are z, d_a z and d_a d_c z: one
  # operation for all.
  first, second = (1 + np.array(i) for i in zip(*index_maps.symmetric_pairs(n), strict=True))
  d, dd = 1 + np.arange(n), 1 + n + np.arange(len(first))
  total = 0.0
  for t, s in zip(variety.moduli, variety.factor_slices, strict=True):
    size = variety.num_coordinates
    frame = gauge.frame(x, s, slice(s.start + size, s.stop + size))
    inner = gauge.inner(
      gauge.entry(frame, slice(None), None), gauge.entry(frame, None, slice(None))
    )
    r = lambda i, j: Complex(inner.re[i, j, ..., 0], inner.im[i, j, ..., 0])

    def fourth(p, q):
      a, c, b, e = first[p], second[p], first[q], second[q]
      return r(dd[p], dd[q]) - r(a, b) * r(c, e) - r(a, e) * r(c, b)

    zeros = lambda count: jnp.zeros((count, *x.shape[:-1]), x.rows.dtype)
    third = r(dd[:, None], d[None])
    rows = jnp.concatenate(
      [
        zeros(1 + 2 * n),
        *index_maps.form_rows(lambda a, b: r(d[a], d[b]), n),
        zeros(2 * len(dd)),
        *(part.reshape(-1, *x.shape[:-1]) for part in (third.re, third.im)),
        *index_maps.form_rows(fourth, len(dd)),
      ]
    )
    total = total + t / math.pi * rows
  return total
