"""Connection, Riemann, Ricci and scalar curvature from the (2, 2) jet of a Kaehler potential.

All functions take the rows (R, ...) of the potential's jet (networks.jets22) and keep the batch on trailing
axes. R_{a bbar c dbar} is symmetric under a <-> c and under b <-> d, so it is a Hermitian form on the m = n(n + 1)/2
pairs (a <= c): packed, m^2 real numbers, as in trainer.hermitian.
"""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp

from networks import jets22
from networks.split_complex import Complex
from trainer import hermitian


def metric(rows: jax.Array) -> jax.Array:
  """g_{a bbar}, packed (n * n, ...)."""
  n = jets22.directions_of(rows.shape[0])
  return rows[1 + 2 * n:(1 + n) ** 2]


def christoffel(rows: jax.Array) -> jax.Array:
  """Gamma^k_{m l} = g^{k sbar} d_m g_{l sbar}, (n, n, n, ...) complex indexed [k, m, l].

  Not a tensor: it belongs to the coordinates whose second derivatives went into the jet.
  """
  d = jets22.unpack(rows)
  n = len(d.first)
  raised = _inverse(rows)
  pair = _pair_index(n)
  entry = lambda k, m, l: _sum(raised[s][k] * d.third[pair[m, l]][s] for s in range(n))
  return _stack([[[entry(k, m, l) for l in range(n)] for m in range(n)] for k in range(n)])


def riemann(rows: jax.Array) -> jax.Array:
  """R_{a bbar c dbar}, packed (m * m, ...); `expand` gives all its components.

  R_{a bbar c dbar} = - d_c dbar_d g_{a bbar} + g^{p qbar} (d_c g_{a qbar}) (dbar_d g_{p bbar}), positive on
  Fubini-Study.

  Args:
    rows: (R, ...) real, the potential's jet.

  Returns:
    (m * m, ...) real.
  """
  return jnp.stack(jets22.pack_hermitian(_riemann(rows)))


def expand(packed: jax.Array) -> jax.Array:
  """All components of a packed Riemann tensor, (m * m, ...) -> (n, n, n, n, ...) complex, [a, b, c, d]."""
  form = hermitian.unpack(packed)
  m = form.shape[-1]
  n = next(k for k in itertools.count(1) if k * (k + 1) == 2 * m)
  pair = _pair_index(n)
  take = lambda p, q: form[..., p, q]
  return jnp.stack([jnp.stack([jnp.stack([jnp.stack([
      take(pair[a, c], pair[b, d]) for d in range(n)]) for c in range(n)])
      for b in range(n)]) for a in range(n)])


def ricci(rows: jax.Array) -> jax.Array:
  """Ric_{c dbar} = g^{a bbar} R_{a bbar c dbar}, packed (n * n, ...)."""
  return jnp.stack(jets22.pack_hermitian(_ricci(rows, _inverse(rows))))


def scalar(rows: jax.Array) -> jax.Array:
  """The Ricci scalar g^{c dbar} Ric_{c dbar}, (R, ...) -> (...), differentiable."""
  raised = _inverse(rows)
  contracted = _ricci(rows, raised)
  n = len(raised)
  # Both are Hermitian: the sum over a pair c < d and its mirror image is twice the real part.
  return sum((1.0 if c == d else 2.0) * (raised[d][c] * contracted[c][d]).re
             for c in range(n) for d in range(c, n))


def _riemann(rows):
  d = jets22.unpack(rows)
  n = len(d.first)
  raised, t = _inverse(rows), d.third
  count = len(t)
  # half[p][j] = sum_i K_{p ibar} g^{j ibar}
  half = [[_sum(t[p][i] * raised[i][j] for i in range(n)) for j in range(n)] for p in range(count)]
  return jets22.hermitian(count, lambda p, q: _sum(
      half[p][j] * t[q][j].conj() for j in range(n)) - d.fourth[p][q])


def _ricci(rows, raised):
  r = _riemann(rows)
  n = len(raised)
  pair = _pair_index(n)
  return jets22.hermitian(n, lambda c, d: _sum(
      raised[b][a] * _entry(r, pair[a, c], pair[b, d]) for a in range(n) for b in range(n)))


def _inverse(rows):
  """Entries [s][k] of G^{-1}, G[a][b] = g_{a bbar}, so that g^{k sbar} = G^{-1}[s][k].

  The inverse is the gradient of log det g, which is smooth and elementwise for any n.
  """
  packed = metric(rows)
  det, transpose = jax.vjp(hermitian.determinant, packed)
  (gradient,) = transpose(jnp.ones_like(det))
  n = jets22.directions_of(rows.shape[0])
  # An off-diagonal row stands for two entries of g.
  diagonal, rest = gradient[:n] / det, gradient[n:] / (2.0 * det)
  return jets22.unpack_hermitian(n, jnp.concatenate([diagonal, rest]))


def _entry(form, p, q):
  return form[p][q] if p <= q else form[q][p].conj()


def _pair_index(n):
  index = {pair: k for k, pair in enumerate(jets22.symmetric_pairs(n))}
  return {(a, c): index[min(a, c), max(a, c)] for a in range(n) for c in range(n)}


def _sum(terms):
  terms = list(terms)
  total = terms[0]
  for term in terms[1:]:
    total = total + term
  return total


def _stack(nested):
  if isinstance(nested, Complex):
    return jax.lax.complex(
        nested.re, jnp.zeros_like(nested.re) if nested.im is None else nested.im)
  return jnp.stack([_stack(part) for part in nested])
