"""An algebraic metric at points: eta, its derivatives, and the rows of their linearisation.

See trainer.metric.algebraic for the formulas. Shape letters: B points, A = 1 + n + n(n + 1)/2
sections s, d_a s and d_a d_c s with a <= c, or the first 1 + n of them, E = 1 + n equations or 1.
"""

import functools
import math
import operator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from networks import index_maps, jets, jets22
from networks.algebraic import FullForm, packed_form
from trainer.curvature import contractions, local
from trainer.geometry import hermitian
from trainer.geometry.variety import Variety
from trainer.metric import complex_rows
from trainer.metric.losses import Tensors, monge_ampere, residual
from trainer.points.batch import Batch
from trainer.problem.linearise import Residual


class Products(NamedTuple):
  """A term's part of the rows of J at a point, sum_iq c_iq z_i* W z_q with i <= n.

  Attributes:
    z: (B, A, 2N) real, [Re z | Im z]; see precision.stored.
    c: (B, E, 1 + n, A) complex.
  """

  z: jax.Array
  c: jax.Array

  @property
  def left(self) -> jax.Array:
    """z_i."""
    return self.z[:, : self.c.shape[2]]


class Term(NamedTuple):
  """A term at points: its sections and the derivatives of rho, g^j and its derivatives.

  Attributes:
    rows: (B, A, 2N), the section rows.
    gram: (B, 1 + n, A) complex, [i, p] = s_i* H s_p.
    metric: (B, n, n) complex, [a, b] = g^j_ab.
    slope: (B, n, n, n) complex, [c, a, b] = d_c g^j_ab; None without second derivatives.
  """

  rows: jax.Array
  gram: jax.Array
  metric: jax.Array
  slope: jax.Array | None


@functools.partial(jax.jit, static_argnums=0)
def fixed(variety: Variety, batch: Batch) -> dict[str, jax.Array]:
  """What second derivatives at points are made of, see trainer.curvature.local.

  Args:
    variety: the manifold.
    batch: points.

  Returns:
    "second" (B, n(n + 1)/2, N) and "log_omega_slope" (B, n), complex.
  """

  def at_point(z, pullback):
    normal = local.normal_complement(variety, z)
    return {
      "second": local.second_derivatives(variety, z, pullback, normal),
      "log_omega_slope": local.log_omega_slope(variety, z, pullback, normal),
    }

  return jax.vmap(at_point)(jax.lax.complex(*jnp.split(batch.x, 2, axis=1)), batch.pullback)


def measure(
  form: FullForm, variety: Variety | None, params: Any, batch: Batch
) -> tuple[list[Term], jax.Array, Residual]:
  """What is to vanish.

  Args:
    form: of the metric.
    variety: the manifold, for derivatives of eta; None for eta alone.
    params: {"log_kappa": (), "network": {..}}.
    batch: points.

  Returns:
    The terms; (B, E) complex, eta and l F^-1 d eta with g_FS = F F* and l as in `_length`; and the
    residual, all of these numbers less (1, 0, .., 0).
  """
  if variety is None:
    coordinates = jets.from_coordinates(batch.x, batch.pullback)
  else:
    known = batch.fixed or fixed(variety, batch)
    coordinates = jets22.from_coordinates(batch.x, batch.pullback, known["second"])
  rows = [jnp.moveaxis(term, 0, 1) for term in form.rows(coordinates)]
  matrices = jax.tree.leaves(params["network"])
  n = batch.pullback.shape[1]
  terms = [
    _term(s, packed_form(h), scale, n)
    for s, h, scale in zip(rows, matrices, _scales(form), strict=True)
  ]
  metric = _sum(term.metric for term in terms)
  tensors = Tensors.of_metric(hermitian.pack(metric), params["log_kappa"], batch)
  found = residual(monge_ampere, tensors)
  if variety is None:
    return terms, jax.lax.complex(tensors.eta, jnp.zeros_like(tensors.eta))[:, None], found
  inverse = contractions.inverse(metric)
  change = jnp.einsum("zab,zcab->zc", inverse, _sum(term.slope for term in terms))
  change -= known["log_omega_slope"]
  slopes = jnp.einsum("zjc,zc->zj", _frame(form, batch), change)
  one = jnp.ones_like(slopes[:, :1])
  values = tensors.eta[:, None] * jnp.concatenate([one, slopes], axis=1)
  value = complex_rows.real(values)
  target = jnp.zeros(value.shape[1], value.dtype).at[0].set(1.0)
  return terms, values, found._replace(value=value, target=target)


def products(form: FullForm, terms: list[Term], values: jax.Array, batch: Batch) -> list[Products]:
  """Each term's part of the rows of J, before R_j is applied.

  Args:
    form: of the metric.
    terms: of `measure`.
    values: of `measure`.
    batch: points.
  """
  inverse = contractions.inverse(_sum(term.metric for term in terms))
  slopes = values.shape[1] > 1
  connection = frame = None
  if slopes:
    # Gamma^e_ac = g^{e bbar} d_c g_ab, [c, a, e].
    connection = jnp.einsum("zeb,zcab->zcae", inverse, _sum(term.slope for term in terms))
    frame = values[:, :1, None] * _frame(form, batch)
  found = []
  for term, scale in zip(terms, _scales(form), strict=True):
    log = _of_log_eta(term, scale, inverse)
    c = values[:, :, None, None] * log[:, None]
    if slopes:
      # d (eta f) = eta df + f d eta.
      change = jnp.einsum("zjc,zciq->zjiq", frame, _of_slopes(term, scale, inverse, connection))
      missing = change.shape[-1] - c.shape[-1]
      c = jnp.pad(c, ((0, 0), (0, 0), (0, 0), (0, missing)))
      c = c.at[:, 1:].add(change)
    size = term.gram[:, 0, 0].real
    unit = jax.lax.rsqrt(jnp.abs(size))[:, None, None]
    z = complex_rows.mix(unit * _covariant(term, connection), term.rows)
    found.append(Products(z, jnp.sign(size)[:, None, None, None] * c))
  return found


def _term(rows, packed, scale, n):
  gram = complex_rows.gram(jets.matmul(rows[:, : 1 + n], packed), rows)
  unit = gram / gram[:, :1, :1].real
  first, mixed = unit[:, 0, 1 : 1 + n], unit[:, 1:, 1 : 1 + n]
  # [a, b] = (t_b* H t_a) / rho.
  form = jnp.swapaxes(mixed - first.conj()[:, :, None] * first[:, None], 1, 2)
  slope = None
  if rows.shape[1] > 1 + n:
    pairs = index_maps.pair_index(n)
    second = unit[:, :, 1 + n :][:, :, pairs]  # [i, a, c]
    third = second[:, 1:] - first.conj()[:, :, None, None] * second[:, :1]  # [b, a, c]
    slope = jnp.transpose(third, (0, 3, 2, 1))  # [c, a, b]
    slope -= first[:, :, None, None] * form[:, None] + first[:, None, :, None] * form[:, :, None]
    slope *= scale
  return Term(rows, gram, scale * form, slope)


def _of_log_eta(term, scale, inverse):
  """c of d log eta [V] for z = s and t_a over sqrt(rho), (B, 1 + n, 1 + n)."""
  c = jnp.pad(scale * jnp.swapaxes(inverse, 1, 2), ((0, 0), (1, 0), (1, 0)))
  return c.at[:, 0, 0].set(-_trace(term, inverse))


def _trace(term, inverse):
  """g^{a bbar} g^j_ab, (B,)."""
  return jnp.einsum("zab,zab->z", inverse, term.metric)


def _covariant(term, connection):
  """(B, A, A), s, t_a and t_ac from s, d_a s and d_a d_c s."""
  points, size, count = term.gram.shape
  n = size - 1
  unit = term.gram[:, 0] / term.gram[:, :1, 0]
  first = jnp.broadcast_to(jnp.eye(count, dtype=unit.dtype), (points, count, count))
  first = first.at[:, 1:size, 0].add(-unit[:, 1:size])
  if connection is None:
    return first
  # t_ac = s_ac - (rho_ac / rho) s - (rho_c / rho) t_a - (rho_a / rho) t_c - Gamma^e_ac t_e.
  a, c = np.array(index_maps.symmetric_pairs(n)).T
  place = np.arange(size, count)
  second = jnp.broadcast_to(jnp.eye(count, dtype=unit.dtype), (points, count, count))
  second = second.at[:, place, 0].add(-unit[:, size:])
  second = second.at[:, place, 1 + a].add(-unit[:, 1 + c])
  second = second.at[:, place, 1 + c].add(-unit[:, 1 + a])
  second = second.at[:, size:, 1:size].add(-connection[:, c, a])
  return second @ first


def _of_slopes(term, scale, inverse, connection):
  """c of d_c (d log eta [V]) for z = s, t_a and t_ac over sqrt(rho), (B, n, 1 + n, A)."""
  n = inverse.shape[-1]
  covariant = term.slope - jnp.einsum("zcae,zeb->zcab", connection, term.metric)
  mixed = jnp.einsum("zab,zcb->zca", inverse, term.metric)  # g^{a bbar} g^j_cb
  mixed += _trace(term, inverse)[:, None, None] * jnp.eye(n, dtype=inverse.real.dtype)
  twisted = jnp.einsum("zab,zcab->zc", inverse, covariant)
  of_s = -jnp.concatenate([twisted[:, :, None], mixed], axis=2)
  pairs = n * (n + 1) // 2
  choose = np.eye(pairs)[index_maps.pair_index(n)]  # [a, c, p]
  bent = scale * jnp.einsum("zab,acp->zcbp", inverse, choose.astype(inverse.real.dtype))
  return jnp.concatenate(
    [
      jnp.pad(of_s, ((0, 0), (0, 0), (0, pairs)))[:, :, None],
      jnp.pad(bent, ((0, 0), (0, 0), (0, 0), (1 + n, 0))),
    ],
    axis=2,
  )


def _frame(form, batch):
  """l F^-1, (B, n, n), g_FS = F F*."""
  g = hermitian.unpack(batch.fubini_study.T)
  return _length(form, g.shape[-1]) * contractions.unitary_frame(g)


def _length(form, n):
  """l, by which a derivative of eta counts as much as eta.

  Over random W the mean squares of d eta [W] and of a component of its derivative are n (n + 1)
  and pi k (n + 1)(n + 2) for Fubini-Study's sections of a high degree k.
  """
  return math.sqrt(n / ((n + 2) * math.pi * form.degree))


def _scales(form):
  return [term.weight / math.pi for term in form.terms]


def _sum(terms):
  return functools.reduce(operator.add, terms)
