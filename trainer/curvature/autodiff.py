"""Connection and curvature of any Hermitian metric, Kaehler or not, by nested autodiff.

A field is a function of one point u = [Re x, Im x], (2n,) real, of n complex local coordinates,
to an array, real or complex, of any shape; a metric is a field (n, n), [a, b] = g_{a bbar},
Hermitian and positive. Functions here take fields and return fields, so that they compose:
`covariant(riemann(metric), "haha", metric)` is one again. Fields of many points: jax.vmap. The
connection is the Chern connection, which on a Kaehler metric is that of Levi-Civita.
"""

from __future__ import annotations

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp

from trainer.curvature import contractions

Field = Callable[[jax.Array], jax.Array]

_einsum = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


def holomorphic(field: Field) -> Field:
  """d_a field = (d/dRe x^a - i d/dIm x^a) field / 2.

  Args:
    field: (2n,) real -> (...) real or complex.

  Returns:
    Field (n, ...) complex, the index of the derivative first.
  """
  return functools.partial(_wirtinger, field, -1j)


def antiholomorphic(field: Field) -> Field:
  """dbar_a field = (d/dRe x^a + i d/dIm x^a) field / 2.

  Args:
    field: (2n,) real -> (...) real or complex.

  Returns:
    Field (n, ...) complex, the index of the derivative first.
  """
  return functools.partial(_wirtinger, field, 1j)


def christoffel(metric: Field) -> Field:
  """Gamma^k_{m l} = g^{k sbar} d_m g_{l sbar}, as trainer.curvature.tensors has it.

  Args:
    metric: field (n, n) complex.

  Returns:
    Field (n, n, n) complex, [k, m, l], m the direction; symmetric in m, l if g is Kaehler.
  """

  def gamma(u):
    g = _evaluate(metric, u)
    return _einsum("ks,mls->kml", contractions.inverse(g), holomorphic(metric)(u))

  return gamma


def covariant(field: Field, indices: str, metric: Field) -> Field:
  """nabla_m of a tensor field in the holomorphic directions.

  nabla_m V_l = d_m V_l - Gamma^k_{m l} V_k, nabla_m V^k = d_m V^k + Gamma^k_{m l} V^l; the
  Chern connection leaves antiholomorphic indices alone.

  Args:
    field: (2n,) real -> an array with one axis of length n for each letter of `indices`.
    indices: "h" lower holomorphic, "a" lower antiholomorphic, "H" and "A" upper ones: "ha" for g,
      "HA" for its inverse [k, s] = g^{k sbar}, "haha" for R_{a bbar c dbar}.
    metric: field (n, n) complex.

  Returns:
    Field (n, ...) complex, of indices "h" + indices.
  """
  return _nabla(field, indices, holomorphic, christoffel(metric), "h", "H")


def covariant_bar(field: Field, indices: str, metric: Field) -> Field:
  """nabla_mbar of a tensor field: dbar_m, and conj(Gamma) on the antiholomorphic indices.

  Args:
    field: as for `covariant`.
    indices: as for `covariant`.
    metric: field (n, n) complex.

  Returns:
    Field (n, ...) complex, of indices "a" + indices.
  """
  gamma = christoffel(metric)
  return _nabla(field, indices, antiholomorphic, lambda u: gamma(u).conj(), "a", "A")


def riemann(metric: Field) -> Field:
  """R_{a bbar c dbar} = - d_c dbar_d g_{a bbar} + g^{p qbar} (d_c g_{a qbar}) (dbar_d g_{p bbar}).

  The same as g_{k bbar} R^k_{a c dbar}, R^k_{l m nbar} = - dbar_n Gamma^k_{m l}; positive on
  Fubini-Study. Only a Kaehler metric has R_{a bbar c dbar} = R_{c bbar a dbar}.

  Args:
    metric: field (n, n) complex.

  Returns:
    Field (n, n, n, n) complex, [a, b, c, d].
  """

  def curvature(u):
    raised = contractions.inverse(_evaluate(metric, u))
    dg = holomorphic(metric)(u)  # [c, a, q]
    second = antiholomorphic(holomorphic(metric))(u)  # [d, c, a, b]
    # dbar_d g_{p bbar} = conj(d_d g_{b pbar})
    square = _einsum("pq,caq,dbp->abcd", raised, dg, dg.conj())
    return square - jnp.transpose(second, (2, 3, 1, 0))

  return curvature


def laplacian(function: Field, metric: Field) -> Field:
  """Delta f = - 4 g^{a bbar} d_a dbar_b f, not negative.

  Its spectrum on P^n with g = d dbar log |z|^2 is 4 m(m + n). On a Kaehler metric it is minus the
  Laplace-Beltrami operator of ds^2 = g_{a bbar} dx^a dxbar^b, else that and a term of first order.

  Args:
    function: field (...) real or complex, one function or several.
    metric: field (n, n) complex.

  Returns:
    Field (...) complex, real if the function is, up to rounding.
  """

  def delta(u):
    second = holomorphic(antiholomorphic(function))(u)  # [a, b, ...]
    return -4 * jnp.tensordot(
      contractions.inverse(_evaluate(metric, u)), second, 2, precision=jax.lax.Precision.HIGHEST
    )

  return delta


def kaehler_error(metric: Field) -> Field:
  """The length of the torsion, which vanishes everywhere if and only if the metric is Kaehler.

  See trainer.curvature.contractions.torsion_length. It does not depend on the coordinates.

  Args:
    metric: field (n, n) complex.

  Returns:
    Field () real.
  """

  return lambda u: contractions.torsion_length(_evaluate(metric, u), holomorphic(metric)(u))


def _wirtinger(field, unit, u):
  chex.assert_rank(u, 1)
  chex.assert_type(u, float)
  slope = jnp.moveaxis(jax.jacfwd(field)(u), -1, 0)
  re, im = jnp.split(slope, 2)
  return 0.5 * (re + unit * im)


def _evaluate(metric, u):
  g = metric(u)
  chex.assert_shape(g, (u.shape[0] // 2,) * 2)
  return g


def _nabla(field, indices, derivative, gamma, lower, upper):
  """The derivative with a term of the connection for each index that is `lower` or `upper`."""
  if not set(indices) <= set("haHA"):
    raise ValueError(f"indices {indices!r} must be letters of 'haHA', one for each axis")

  def nabla(u):
    total, value, connection = derivative(field)(u), field(u), gamma(u)
    chex.assert_shape(value, (u.shape[0] // 2,) * len(indices))
    for axis, letter in enumerate(indices):
      if letter == lower:
        term = -_contract(connection, 0, value, axis)  # [m, l, ...]
      elif letter == upper:
        term = jnp.swapaxes(_contract(connection, 2, value, axis), 0, 1)  # [k, m, ...]
      else:
        continue
      total += jnp.moveaxis(term, 1, axis + 1)
    return total

  return nabla


def _contract(gamma, i, value, j):
  return jnp.tensordot(gamma, value, ((i,), (j,)), precision=jax.lax.Precision.HIGHEST)
