"""Connection, Riemann, Ricci and scalar curvature from the (2, 2) jet of a Kaehler potential.

All functions take the rows (R, ...) of the potential's jet (networks.jets22) and keep the
batch on trailing axes. R_{a bbar c dbar} is symmetric under a <-> c and under b <-> d, so
it is a Hermitian form on the m = n(n + 1)/2 pairs (a <= c): packed, m^2 real numbers, as in
trainer.geometry.hermitian. Sums run over whole blocks of components, not over components one by
one: an unrolled Riemann tensor takes half a minute to compile.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from networks import index_maps, jets22
from networks.split_complex import Complex
from trainer.geometry import hermitian


def metric(rows: jax.Array) -> jax.Array:
  """g_{a bbar}, packed (n * n, ...)."""
  n = jets22.directions_of(rows.shape[0])
  return rows[1 + 2 * n : (1 + n) ** 2]


def christoffel(rows: jax.Array) -> jax.Array:
  """Gamma^k_{m l} = g^{k sbar} d_m g_{l sbar}, (n, n, n, ...) complex indexed [k, m, l].

  Not a tensor: it belongs to the coordinates whose second derivatives went into the jet.
  """
  raised, third = _inverse(rows), _third(rows)
  n = raised.re.shape[0]
  dg = _map(lambda part: part[index_maps.pair_index(n)], third)  # [m, l, s]
  gamma = _sum(
    _at(raised, s, slice(None), None, None) * _at(dg, None, slice(None), slice(None), s)
    for s in range(n)
  )
  return jax.lax.complex(gamma.re, gamma.im)


def riemann(rows: jax.Array) -> jax.Array:
  """R_{a bbar c dbar}, packed (m * m, ...); `expand` gives all its components.

  R_{a bbar c dbar} = - d_c dbar_d g_{a bbar} + g^{p qbar} (d_c g_{a qbar}) (dbar_d g_{p bbar}),
  positive on Fubini-Study.

  Args:
    rows: (R, ...) real, the potential's jet.

  Returns:
    (m * m, ...) real.
  """
  return _riemann(rows, _inverse(rows))


def expand(packed: jax.Array) -> jax.Array:
  """All components of a packed Riemann tensor, (m * m, ...) -> (n, n, n, n, ...) complex.

  They are indexed [a, b, c, d].
  """
  components = _expand(packed)
  return jax.lax.complex(components.re, components.im)


def components(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
  """g and R with all their components and points on leading axes, for contractions and chern.

  Args:
    rows: (R, ...) real, the potential's jet.

  Returns:
    (..., n, n) complex, [a, b] = g_{a bbar}, and (..., n, n, n, n) complex, [a, b, c, d].
  """
  full = expand(riemann(rows))
  return hermitian.unpack(metric(rows)), jnp.moveaxis(full, (0, 1, 2, 3), (-4, -3, -2, -1))


def ricci(rows: jax.Array) -> jax.Array:
  """Ric_{c dbar} = g^{a bbar} R_{a bbar c dbar}, packed (n * n, ...)."""
  raised = _inverse(rows)
  n = raised.re.shape[0]
  matrix = index_maps.pack_form(index_maps.vector(n * n).reshape(n, n, -1))
  return index_maps.apply(matrix, _stack(_ricci(rows, raised)))


def scalar(rows: jax.Array) -> jax.Array:
  """The Ricci scalar g^{c dbar} Ric_{c dbar}, (R, ...) -> (...), differentiable."""
  raised = _inverse(rows)
  n = raised.re.shape[0]
  # Both are Hermitian: sum_cd G[d, c] Ric[c, d] is the sum of the products of real and
  # imaginary parts.
  contracted = _ricci(rows, raised)
  product = raised.re * contracted.re + raised.im * contracted.im
  return sum(product[c, d] for c in range(n) for d in range(n))


def _riemann(rows, raised):
  third = _third(rows)
  m, n = third.re.shape[:2]
  # half[p, j] = sum_i K_{p ibar} g^{j ibar}
  half = _sum(_at(third, slice(None), i, None) * _at(raised, None, i) for i in range(n))
  square = _sum(
    _at(half, slice(None), None, j) * _at(third, None, slice(None), j).conj() for j in range(n)
  )
  matrix = index_maps.pack_form(index_maps.vector(m * m).reshape(m, m, -1))
  return index_maps.apply(matrix, _stack(square)) - rows[-m * m :]


def _ricci(rows, raised):
  """All entries [c, d]."""
  components = _expand(_riemann(rows, raised))
  n = raised.re.shape[0]
  return _sum(_at(components, a, b) * _at(raised, b, a) for a in range(n) for b in range(n))


def _expand(packed):
  m = math.isqrt(packed.shape[0])
  n = (math.isqrt(8 * m + 1) - 1) // 2
  pair = index_maps.pair_index(n)
  # [a, c, b, d] -> [a, b, c, d]
  entries = np.swapaxes(index_maps.form(m)[pair[:, :, None, None], pair], 1, 2)
  matrix = index_maps.pack_vector(entries.reshape(n**4, -1))
  return _split(index_maps.apply(matrix, packed), (n,) * 4)


def _third(rows):
  """K_{p bbar}, [p, b]."""
  n = jets22.directions_of(rows.shape[0])
  m = n * (n + 1) // 2
  return _split(rows[-m * m - 2 * m * n : -m * m], (m, n))


def _inverse(rows):
  """Entries [s, k] of G^{-1}, G[a, b] = g_{a bbar}, so that g^{k sbar} = G^{-1}[s, k].

  The inverse is the gradient of log det g, which is smooth and elementwise for any n.
  """
  packed = metric(rows)
  det, transpose = jax.vjp(hermitian.determinant, packed)
  (gradient,) = transpose(jnp.ones_like(det))
  n = jets22.directions_of(rows.shape[0])
  # An off-diagonal row stands for two entries of g.
  half = np.repeat([1.0, 0.5], [n, n * n - n])
  matrix = index_maps.pack_vector(index_maps.form(n).reshape(n * n, -1) * half)
  return _split(index_maps.apply(matrix, gradient / det), (n, n))


def _split(rows, shape):
  """Rows [Re | Im] as a Complex of the given leading shape."""
  re, im = jnp.split(rows, 2)
  return Complex(re.reshape(shape + re.shape[1:]), im.reshape(shape + im.shape[1:]))


def _stack(c):
  """The inverse of `_split`, of entries with two indices."""
  return jnp.concatenate([part.reshape(-1, *part.shape[2:]) for part in (c.re, c.im)])


def _at(c, *index):
  return Complex(c.re[index], c.im[index])


def _map(f, c):
  return Complex(f(c.re), f(c.im))


def _sum(terms):
  terms = list(terms)
  total = terms[0]
  for term in terms[1:]:
    total = total + term
  return total
