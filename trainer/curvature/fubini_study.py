"""The Fubini-Study potential's closed-form jet of type (2, 2)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from networks import gauge
from networks import jets22
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
    (R, ...) real, rows packed as in networks.jets22. The value and the derivatives of pure type, which depend
    on the gauge and never on the geometry, are left zero.
  """
  n = x.num_directions
  pairs = jets22.symmetric_pairs(n)
  zero = Complex(jnp.zeros_like(x.rows[0, ..., 0]), jnp.zeros_like(x.rows[0, ..., 0]))
  total = 0.0
  for t, s in zip(variety.moduli, variety.factor_slices, strict=True):
    size = variety.num_coordinates
    frame = gauge.frame(x, s, slice(s.start + size, s.stop + size))
    inner = gauge.inner(
        gauge.entry(frame, slice(None), None), gauge.entry(frame, None, slice(None)))
    r = lambda i, j: gauge.entry(inner, i, j, Ellipsis, 0)

    def fourth(p, q):
      (a, c), (b, e) = pairs[p], pairs[q]
      return (r(1 + n + p, 1 + n + q) - r(1 + a, 1 + b) * r(1 + c, 1 + e)
              - r(1 + a, 1 + e) * r(1 + c, 1 + b))

    rows = jnp.stack(jets22.pack(jets22.Derivatives(
        value=zero, first=[zero] * n,
        mixed=jets22.hermitian(n, lambda a, b: r(1 + a, 1 + b)),
        second=[zero] * len(pairs),
        third=[[r(1 + n + p, 1 + b) for b in range(n)] for p in range(len(pairs))],
        fourth=jets22.hermitian(len(pairs), fourth))))
    total = total + t / math.pi * rows
  return total
