"""(0, 1)-forms with values in O(k) at points, and their codifferentials.

Values are in the gauge |z^(i)| = 1, components nu(conj(e_i)) in a unitary frame e_i of the metric.
With the metric h = prod_i |z^(i)|^(-2 k_i) e^-f of O(k), and horizontal derivatives D of z^m,

  -dbar* nu = sum_i (D_i - d_i f) nu(conj(e_i)),   |nu|^2 = e^-f sum_i |nu(conj(e_i))|^2.

Sections of O(k) that need not be holomorphic are made of the s_A and t_B of O(m + k) and O(m), with
the smallest m that has m, m + k >= D, the degree:

  s = sum H_AB s_A conj(t_B) / prod_i |z^(i)|^(2 m_i),   dbar s = sum H_AB s_A conj(D t_B)..
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import jets
from networks import sections as section_jets
from networks.gauge import factors
from trainer.bundles.cohomology import Forms
from trainer.curvature import contractions
from trainer.geometry import sections
from trainer.geometry.variety import Variety
from trainer.quadrature.background import Rows
from trainer.quadrature.functions import Functions


class Values(NamedTuple):
  """R forms at B points.

  Attributes:
    nu: (B, R, n) complex, nu(conj(e_i)).
    divergence: (B, R) complex, sum_i D_i nu(conj(e_i)).
  """

  nu: jax.Array
  divergence: jax.Array


def representatives(classes: Sequence[Forms], ambient: tuple[int, ...], rows: Rows) -> Values:
  """The forms of trainer.bundles.cohomology at points."""
  e = contractions.unitary_frame(rows.metric)
  x = jets.from_coordinates(rows.x, rows.pullback)
  made = [_values(forms, ambient, x, rows, e) for forms in classes]
  return Values(*(jnp.concatenate(parts, axis=1) for parts in zip(*made, strict=True)))


class Sections(NamedTuple):
  """What sections of O(k) are made of.

  Attributes:
    holomorphic: the s_A.
    conjugate: the t_B.
  """

  holomorphic: Functions
  conjugate: Functions

  @property
  def shape(self) -> tuple[int, int]:
    """(N_A, N_B), of H."""
    return self.holomorphic.size, self.conjugate.size

  def frames(self, rows: Rows) -> tuple[jax.Array, jax.Array, jax.Array]:
    """s_A and D_i s_A, (B, 1 + n, N_A) complex; those of t_B; the trace of t's norm (B,)."""
    s, t = self.holomorphic.frame(rows), self.conjugate.frame(rows)
    return _complex(s.e), _complex(t.e), t.trace


@functools.lru_cache(maxsize=32)
def sections_of(variety: Variety, bundle: tuple[int, ...], degree: int) -> Sections:
  """Sections of O(k) of degree D, 1 or more."""
  of = lambda degrees: Functions(variety.ambient, sections.section_basis(variety, degrees))
  return Sections(*map(of, _degrees(bundle, degree)))


def shape_of(variety: Variety, bundle: tuple[int, ...], degree: int) -> tuple[int, int]:
  """(N_A, N_B) of `sections_of`, without making them."""
  return tuple(sections.expected_count(variety, d) for d in _degrees(bundle, degree))


def exact_forms(of: Sections, h: jax.Array, rows: Rows) -> jax.Array:
  """dbar s of sections h (R, N_A, N_B) complex, (B, R, n)."""
  chex.assert_shape(h, (None, *of.shape))
  s, t, _ = of.frames(rows)
  product = _times(s[:, 0], h)
  parts = [jnp.sum(product * v[:, None].conj(), axis=2) for v in jnp.moveaxis(t[:, 1:], 1, 0)]
  return jnp.stack(parts, axis=2)


def box(of: Sections, h: jax.Array, rows: Rows, slope: jax.Array) -> jax.Array:
  """dbar* dbar s of sections h (R, N_A, N_B), d_i f given (B, n) complex; (B, R).

  It is sum H_AB (s_A conj(tau t_B + sum_i conj(d_i f) D_i t_B) - sum_i D_i s_A conj(D_i t_B)),
  tau = pi sum_i m_i g^{a bbar} g^(i)_{a bbar}.
  """
  chex.assert_shape(h, (None, *of.shape))
  pairs = _box_pairs(of, rows, slope)
  return sum(jnp.sum(_times(s, h) * q[:, None].conj(), axis=2) for s, q in pairs)


def box_transposed(of: Sections, r: jax.Array, rows: Rows, slope: jax.Array) -> jax.Array:
  """The adjoint of `box`: (B, R) complex -> (R, N_A, N_B)."""
  pairs = _box_pairs(of, rows, slope)
  return sum(_times_adjoint(s, r[:, :, None] * q[:, None]) for s, q in pairs)


def _degrees(bundle, degree):
  return tuple(tuple(degree + max(sign * k, 0) for k in bundle) for sign in (1, -1))


def _box_pairs(of, rows, slope):
  s, t, trace = of.frames(rows)
  first = trace[:, None] * t[:, 0] + jnp.einsum("pi,pib->pb", slope.conj(), t[:, 1:])
  return [(s[:, 0], first), *((s[:, i], -t[:, i]) for i in range(1, t.shape[1]))]


def _times(s, h):
  """s_A h_rAB (B, R, N_B), by one product of real matrices: complex ones are slow on processors."""
  points, (systems, size, width) = len(s), h.shape
  top, bottom = _packed(h), _packed(1j * h)
  matrix = jnp.moveaxis(jnp.concatenate([top, bottom], axis=1), 0, 1).reshape(2 * size, -1)
  return _complex((_packed(s) @ matrix).reshape(points, systems, 2 * width))


def _times_adjoint(s, product):
  """sum_p conj(s_A) (B, R, N_B) -> (R, N_A, N_B)."""
  points, systems, width = product.shape
  parts = _packed(s).T @ _packed(product).reshape(points, -1)
  parts = parts.reshape(2, s.shape[1], systems, 2, width)
  re, im = parts[0, :, :, 0] + parts[1, :, :, 1], parts[0, :, :, 1] - parts[1, :, :, 0]
  return jnp.moveaxis(jax.lax.complex(re, im), 1, 0)


def _packed(v):
  return jnp.concatenate([v.real, v.imag], axis=-1)


def _complex(v):
  return jax.lax.complex(*jnp.split(v, 2, axis=-1))


def _values(forms, ambient, x, rows, e):
  left, right = (_monomials(m, ambient, x) for m in (forms.holomorphic, forms.conjugate))
  left = jnp.concatenate([left[:, :1], e @ left[:, 1:]], axis=1)
  c = jnp.asarray(forms.coefficients, left.dtype)
  p = jnp.einsum("pam,prm->pra", left, jnp.einsum("rmn,pn->prm", c, right[:, 0].conj()))
  at, _ = factors(ambient)[forms.factor]
  z = jax.lax.complex(*jnp.split(rows.x, 2, axis=1))[:, at]
  j = e @ rows.pullback[:, :, at]
  eps = (z[:, :1] * j[:, :, 1] - z[:, 1:] * j[:, :, 0]).conj()
  eps = (eps / jnp.sum(z.real**2 + z.imag**2, axis=1, keepdims=True))[:, None]
  return Values(p[:, :, :1] * eps, jnp.sum(p[:, :, 1:] * eps, axis=2))


def _monomials(exponents, ambient, x):
  """z^m and their horizontal derivatives (B, 1 + n, M)."""
  if not exponents.any():
    one = np.eye(1 + x.num_directions, 1, dtype=complex)[None]
    return jnp.broadcast_to(one, (x.rows.shape[1], *one.shape[1:]))
  rows = section_jets.monomial_rows(exponents, ambient, x)
  return jnp.moveaxis(jax.lax.complex(rows.re, rows.im), 0, 1)
