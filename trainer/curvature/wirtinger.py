"""Derivatives of type (2, 2) of any real function, by nested autodiff along local directions.

The general path, for networks without jets, and the reference for the closed forms.
"""

from __future__ import annotations

from collections.abc import Callable
import functools

import jax
import jax.numpy as jnp

from networks import index_maps, jets22
from networks.split_complex import Complex
from trainer.geometry import hermitian


def levi_forms(phi: Callable, x: jax.Array, pullback: jax.Array) -> jax.Array:
  """d_a dbar_b phi of any function of one point, along the local directions.

  Args:
    phi: (2N,) real, [Re z, Im z] -> () real.
    x: (B, 2N) real points.
    pullback: (B, n, N) complex, dz^i/dx^a.

  Returns:
    (n * n, B) real, packed as in trainer.geometry.hermitian.
  """

  def point(x, pullback):
    n = pullback.shape[0]
    directions = jnp.concatenate(
      [
        jnp.concatenate([pullback.real, pullback.imag], axis=1),
        jnp.concatenate([-pullback.imag, pullback.real], axis=1),
      ]
    )
    along = lambda u: phi(x + u @ directions)
    return hermitian.pack(jax.lax.complex(*_levi(along, n, jnp.zeros(2 * n, x.dtype))))

  return jax.vmap(point, out_axes=1)(x, pullback)


def _levi(function, n, u):
  """d_a dbar_b of a function of (2n,) reals at u, real and imaginary parts (2, n, n).

  From the real Hessian H: d_a dbar_b = (1/4) [H_xx + H_yy + i (H_xy - H_yx)]_ab.
  """
  h = jax.jacfwd(jax.grad(function))(u)
  xx, xy, yx, yy = h[:n, :n], h[:n, n:], h[n:, :n], h[n:, n:]
  return 0.25 * jnp.stack([xx + yy, xy - yx])


def _with_slope(function):
  """u -> (f(u), its Jacobian): f is compiled once for both."""

  def both(u):
    jacobian, value = jax.jacfwd(lambda u: (function(u),) * 2, has_aux=True)(u)
    return value, jacobian

  return both


def mixed_rows(function: Callable[[jax.Array], jax.Array], n: int, dtype: jnp.dtype) -> jax.Array:
  """The jet of a real function of n complex coordinates at their origin.

  Args:
    function: (2n,) real, the real parts and then the imaginary parts -> () real.
    n: number of complex coordinates.
    dtype: real dtype to differentiate in.

  Returns:
    (R,) real, packed as in networks.jets22; the value and the derivatives of pure type, which no
    tensor needs, are left zero.
  """
  levi = functools.partial(_levi, function, n)
  # (2, n, n), (2, n, n, 2n) and (2, n, n, 2n, 2n).
  (mixed, slope), (_, curve) = _with_slope(_with_slope(levi))(jnp.zeros(2 * n, dtype))
  pairs = index_maps.symmetric_pairs(n)

  def third(a, c, b):
    """d_c of h_{a bbar} = re + i im, with d = (d_x - i d_y) / 2."""
    re, im = slope[0, a, b], slope[1, a, b]
    return Complex(0.5 * (re[c] + im[n + c]), 0.5 * (im[c] - re[n + c]))

  def fourth(a, c, b, d):
    """d_c dbar_d of h_{a bbar}: (xx + yy + i (xy - yx)) / 4 of its complex second derivatives."""
    re, im = curve[0, a, b], curve[1, a, b]
    even = lambda f: 0.25 * (f[c, d] + f[n + c, n + d])
    odd = lambda f: 0.25 * (f[c, n + d] - f[n + c, d])
    return Complex(even(re) - odd(im), even(im) + odd(re))

  zero = Complex(jnp.zeros((), dtype), jnp.zeros((), dtype))
  return jnp.stack(
    jets22.pack(
      jets22.Derivatives(
        value=zero,
        first=[zero] * n,
        mixed=jets22.hermitian(n, lambda a, b: Complex(mixed[0, a, b], mixed[1, a, b])),
        second=[zero] * len(pairs),
        third=[[third(a, c, b) for b in range(n)] for a, c in pairs],
        fourth=jets22.hermitian(len(pairs), lambda p, q: fourth(*pairs[p], *pairs[q])),
      )
    )
  )
