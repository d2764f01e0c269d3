"""Ricci, scalar and sectional curvatures from a metric and its whole Riemann tensor.

Everything takes g (..., n, n) complex, [a, b] = g_{a bbar}, and R (..., n, n, n, n) complex,
[a, b, c, d] = R_{a bbar c dbar}, points on leading axes; trainer.curvature.tensors.components makes
them of a jet, trainer.curvature.autodiff of any metric. Of a metric that is not Kaehler R is the
curvature of the Chern connection: a bbar are the indices of the endomorphism, c dbar those of the
two-form. Lengths are those of ds^2 = g_{a bbar} dx^a dxbar^b.
"""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp

from trainer.geometry import small

_einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


def check(g: jax.Array, riemann: jax.Array) -> None:
  """Asserts that g is (..., n, n) and riemann (..., n, n, n, n) at the same points."""
  n = g.shape[-1]
  chex.assert_shape(g, (..., n, n))
  chex.assert_shape(riemann, (*g.shape[:-2], n, n, n, n))


def inverse(g: jax.Array) -> jax.Array:
  """The inverse metric: g^{a bbar} g_{c bbar} = delta^a_c.

  Args:
    g: (..., n, n) complex, [a, b] = g_{a bbar}.

  Returns:
    (..., n, n) complex, [a, b] = g^{a bbar}: the transpose of the matrix inverse.
  """
  chex.assert_shape(g, (..., g.shape[-1], g.shape[-1]))
  # Cofactors, not LAPACK: a few products that fuse with their neighbours, and n is small.
  return jnp.moveaxis(small.inverse(jnp.moveaxis(g, (-1, -2), (0, 1))), (0, 1), (-2, -1))


def unitary_frame(g: jax.Array) -> jax.Array:
  """Vectors e_i with e_i^a g_{a bbar} conj(e_j^b) = delta_ij, from g = L L^*.

  Args:
    g: (..., n, n) complex, positive definite.

  Returns:
    (..., n, n) complex, [i, a] = e_i^a, lower triangular.
  """
  chex.assert_shape(g, (..., g.shape[-1], g.shape[-1]))
  return jnp.moveaxis(small.unitary_frame(jnp.moveaxis(g, (-2, -1), (0, 1))), (0, 1), (-2, -1))


def torsion_length(g: jax.Array, slopes: jax.Array) -> jax.Array:
  """|t|, |t|^2 = sum_{a < b, c} |d_a g_{b cbar} - d_b g_{a cbar}|^2 in a unitary frame.

  Args:
    g: (..., n, n) complex, positive definite.
    slopes: (..., n, n, n) complex, [a, b, c] = d_a g_{b cbar}.

  Returns:
    (...) real, an inverse length: 0 everywhere if and only if the metric is Kaehler.
  """
  n = g.shape[-1]
  chex.assert_shape(slopes, (*g.shape[:-2], n, n, n))
  e = unitary_frame(g)
  torsion = slopes - jnp.swapaxes(slopes, -3, -2)
  torsion = _einsum("...ia,...jb,...kc,...abc->...ijk", e, e, e.conj(), torsion)
  return jnp.sqrt(0.5 * jnp.sum(torsion.real**2 + torsion.imag**2, axis=(-3, -2, -1)))


def ricci(g: jax.Array, riemann: jax.Array) -> jax.Array:
  """Ric_{c dbar} = g^{a bbar} R_{a bbar c dbar} = - d_c dbar_d log det g.

  This is the trace over the endomorphism, the first of the Ricci tensors of a Chern connection; on
  a Kaehler metric all of them agree. The Ricci form is i Ric_{c dbar} dx^c ^ dxbar^d = 2 pi c_1,
  the Ricci tensor of the real metric is 2 Re Ric_{c dbar} v^c conj(w^d).

  Args:
    g: (..., n, n) complex.
    riemann: (..., n, n, n, n) complex.

  Returns:
    (..., n, n) complex, [c, d]; (n + 1) g on P^n.
  """
  check(g, riemann)
  return _einsum("...ab,...abcd->...cd", inverse(g), riemann)


def scalar(g: jax.Array, riemann: jax.Array) -> jax.Array:
  """R = g^{c dbar} Ric_{c dbar}, a quarter of the scalar curvature of the real metric.

  Args:
    g: (..., n, n) complex.
    riemann: (..., n, n, n, n) complex.

  Returns:
    (...) real; n(n + 1) on P^n with g = d dbar log |z|^2.
  """
  check(g, riemann)
  raised = inverse(g)
  return _einsum("...ab,...cd,...abcd->...", raised, raised, riemann).real


def riemann_squared(g: jax.Array, riemann: jax.Array) -> jax.Array:
  """|Riem|^2 = sum_abcd |R_{a bbar c dbar}|^2 in a unitary frame, over complex indices.

  On a Kaehler metric the Kretschmann scalar of the real metric, over real indices, is 16 times
  that: g^{-1} is 2 g^{a bbar} and R half of R_{a bbar c dbar} there, and each pair has two orders.

  Args:
    g: (..., n, n) complex, positive definite.
    riemann: (..., n, n, n, n) complex.

  Returns:
    (...) real; 2 n(n + 1) on P^n with g = d dbar log |z|^2.
  """
  check(g, riemann)
  e = unitary_frame(g)
  r = _einsum("...ia,...abcd->...ibcd", e, riemann)
  r = _einsum("...jb,...ibcd->...ijcd", e.conj(), r)
  r = _einsum("...kc,...ijcd->...ijkd", e, r)
  r = _einsum("...ld,...ijkd->...ijkl", e.conj(), r)
  return jnp.sum(r.real**2 + r.imag**2, axis=(-4, -3, -2, -1))


def sectional(g: jax.Array, riemann: jax.Array, u: jax.Array, v: jax.Array) -> jax.Array:
  """K(u, v), the sectional curvature of the real plane spanned by two real vectors.

  With P^{a bbar} = u^a conj(v^b) - v^a conj(u^b), the part of type (1, 1) of u ^ v,
  K = - R_{a bbar c dbar} P^{a bbar} P^{c dbar} / (2 (|u|^2 |v|^2 - <u, v>^2)),
  <u, v> = Re g_{a bbar} u^a conj(v^b). It is that of the real metric if g is Kaehler.

  Args:
    g: (..., n, n) complex.
    riemann: (..., n, n, n, n) complex.
    u: (..., n) complex, u^a: the real vector along which x^a moves by u^a.
    v: (..., n) complex, linearly independent of u over the real numbers.

  Returns:
    (...) real; between 1 and 4 on P^n with g = d dbar log |z|^2.
  """
  check(g, riemann)
  chex.assert_shape([u, v], g.shape[:-1])
  inner = lambda x, y: _einsum("...a,...ab,...b->...", x, g, y.conj()).real
  plane = u[..., :, None] * v.conj()[..., None, :] - v[..., :, None] * u.conj()[..., None, :]
  area = inner(u, u) * inner(v, v) - inner(u, v) ** 2
  return -0.5 * _einsum("...abcd,...ab,...cd->...", riemann, plane, plane).real / area


def holomorphic_sectional(g: jax.Array, riemann: jax.Array, v: jax.Array) -> jax.Array:
  """H(v) = R_{a bbar c dbar} v^a conj(v^b) v^c conj(v^d) / (g_{a bbar} v^a conj(v^b))^2.

  Half of the sectional curvature K(v, i v) of the complex line of v.

  Args:
    g: (..., n, n) complex.
    riemann: (..., n, n, n, n) complex.
    v: (..., n) complex, not zero.

  Returns:
    (...) real; 2 on P^n with g = d dbar log |z|^2.
  """
  check(g, riemann)
  chex.assert_shape(v, g.shape[:-1])
  line = v[..., :, None] * v.conj()[..., None, :]
  length = _einsum("...ab,...ab->...", g, line).real
  return _einsum("...abcd,...ab,...cd->...", riemann, line, line).real / length**2
