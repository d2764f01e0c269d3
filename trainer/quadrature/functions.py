"""Functions on a manifold: real combinations of f_AB = s_A conj(s_B) / prod_i |z^(i)|^(2 k_i).

With the sections s of multidegree k in the gauge |z^(i)| = 1 and a Hermitian form H, u = s* H s,

  d_a u = s* H D_a s,   d_a dbar_b u = (D_b s)* H D_a s - pi sum_i k_i g^(i)_{a bbar} u,

D_a s the part of d_a s that is orthogonal to s (networks.gauge). In a unitary frame of the metric,
e_0 = s and e_i = E_i^a D_a s, no other derivative of the metric is needed for gradients and

  Box u = g^{a bbar} d_a dbar_b u = sum_i e_i* H e_i - tau u,   Delta = -4 Box.

H is kept in a real matrix h (networks.algebraic.hermitian_matrix), its N_k^2 entries the
coefficients of u in the real basis |s_A|^2, sqrt(2) Re and sqrt(2) Im of conj(s_A) s_B. A complex
function is two real ones.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic, jets
from trainer.curvature import contractions
from trainer.geometry import fubini_study, hermitian, sections
from trainer.geometry.sections import SectionBasis
from trainer.geometry.variety import Variety
from trainer.metric import laplacians
from trainer.quadrature.background import Rows


@dataclasses.dataclass(frozen=True, eq=False)
class Functions:
  """The functions of a multidegree.

  Attributes:
    ambient: (n_1, .., n_m).
    basis: the sections s.
  """

  ambient: tuple[int, ...]
  basis: SectionBasis

  @property
  def size(self) -> int:
    """N_k, the number of sections."""
    return self.basis.coefficients.shape[1]

  @property
  def count(self) -> int:
    """N_k^2, the number of real functions."""
    return self.size**2

  def frame(self, rows: Rows) -> Frame:
    """The sections at points."""
    s = laplacians.horizontal_sections(self.ambient, self.basis, rows.x, rows.pullback)
    slopes = contractions.unitary_frame(rows.metric) @ s[:, 1:]
    e = jnp.concatenate([s[:, :1], slopes], axis=1)
    return Frame(jnp.concatenate([e.real, e.imag], axis=-1), self._trace(rows))

  def box_of_jets(self, rows: Rows, rho: jets.Jet) -> jax.Array:
    """Box of s* H s / prod_i |z^(i)|^(2 k_i) from the jet (B, P) of s* H s, (B, P)."""
    mixed = jnp.moveaxis(hermitian.unpack(rho.mixed), (-2, -1), (0, 1))
    inverse = jnp.moveaxis(contractions.inverse(rows.metric), 0, -1)[..., None]
    return jnp.sum(inverse * mixed, axis=(0, 1)).real - self._trace(rows)[:, None] * rho.value

  def _trace(self, rows):
    z = jax.lax.complex(*jnp.split(rows.x, 2, axis=1))
    factors = jax.vmap(fubini_study.factor_metrics, (None, 0, 0))(self.ambient, z, rows.pullback)
    bend = laplacians.norm_curvature(self.ambient, self.basis, factors)
    return jnp.sum(contractions.inverse(rows.metric) * bend, axis=(1, 2)).real


@functools.lru_cache(maxsize=32)
def of_degree(variety: Variety, degree: int) -> Functions:
  """The functions of degree k in each projective factor; UserError if there are no sections."""
  return Functions(
    variety.ambient, sections.section_basis(variety, (degree,) * len(variety.ambient))
  )


class Frame(NamedTuple):
  """Sections at points, in a unitary frame of the metric.

  Attributes:
    e: (B, 1 + n, 2 N_k) real, [Re | Im] of e_0 = s, e_1, .., e_n.
    trace: (B,), tau = pi sum_i k_i g^{a bbar} g^(i)_{a bbar}.
  """

  e: jax.Array
  trace: jax.Array


def values(frame: Frame, h: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Values and gradients of functions.

  Args:
    frame: at B points.
    h: (R, N_k, N_k) real, R functions.

  Returns:
    u (B, R) real; E_i^a d_a u (B, n, R) complex.
  """
  t = _times(frame.e[:, 0], h)
  p, q = jnp.split(t, 2, axis=-1)
  x, y = jnp.split(frame.e, 2, axis=-1)
  re = jnp.einsum("pal,prl->par", frame.e, t)
  im = jnp.einsum("pal,prl->par", y, p) - jnp.einsum("pal,prl->par", x, q)
  return re[:, 0], jax.lax.complex(re[:, 1:], im[:, 1:])


def box(frame: Frame, h: jax.Array) -> jax.Array:
  """Box u = g^{a bbar} d_a dbar_b u of functions h (R, N_k, N_k), (B, R) real."""
  points, rows, width = frame.e.shape
  t = _times(frame.e.reshape(-1, width), h).reshape(points, rows, len(h), width)
  squares = jnp.einsum("pal,parl->par", frame.e, t)
  return jnp.sum(squares[:, 1:], axis=1) - frame.trace[:, None] * squares[:, 0]


def box_transposed(frame: Frame, u: jax.Array) -> jax.Array:
  """The transpose of `box`: u (B, R) -> (R, N_k, N_k)."""
  size = frame.e.shape[-1] // 2
  shape = jax.ShapeDtypeStruct((u.shape[1], size, size), u.dtype)
  return jax.linear_transpose(functools.partial(box, frame), shape)(u)[0]


def value_features(frame: Frame) -> jax.Array:
  """The values (B, N_k^2) of all basis functions."""
  return _squares(frame.e[:, :1], [1.0])


def slope_features(frame: Frame) -> jax.Array:
  """E_i^a d_a f (B, 2n, N_k^2) of all basis functions f: real parts, then imaginary ones."""
  re, im = _features(frame.e[:, :1], frame.e[:, 1:])
  return jnp.concatenate([re, im], axis=1)


def box_features(frame: Frame) -> jax.Array:
  """Box f (B, N_k^2) of all basis functions f."""
  return _squares(frame.e, [-frame.trace[:, None, None]] + [1.0] * (frame.e.shape[1] - 1))


def _times(rows, h):
  """[Re H e | Im H e] (B, R, 2N) of rows [Re e | Im e] (B, 2N)."""
  chex.assert_rank([rows, h], [2, 3])
  packed = jax.vmap(algebraic.packed_form)(h)
  return jnp.einsum("pk,rkl->prl", rows, packed)


def _squares(rows, weights):
  """The derivatives of sum_i w_i e_i* H e_i by the entries of h: rows (B, R, 2N) -> (B, N^2)."""
  size = rows.shape[-1] // 2
  re = im = 0.0
  # One loop over the entries: nothing but the sum is stored.
  for row, weight in zip(jnp.moveaxis(rows, 1, 0), weights, strict=True):
    x, y = row[:, :size], row[:, size:]
    outer = lambda u, v: u[:, :, None] * v[:, None, :]
    re += weight * (outer(x, x) + outer(y, y))
    im += weight * (outer(y, x) - outer(x, y))
  i, j = np.indices((size, size))
  return jnp.where(i == j, re, 2**0.5 * jnp.where(i < j, re, im)).reshape(-1, size * size)


def _features(left, right):
  """Re and Im of the derivatives of left* H right by the entries of h: (..., 2N) -> (..., N^2)."""
  size = left.shape[-1] // 2
  (a, b), (x, y) = ((v[..., :size], v[..., size:]) for v in (left, right))
  outer = lambda u, v: u[..., :, None] * v[..., None, :]
  # P_ij = conj(left_i) right_j, and its transpose.
  re, im = outer(a, x) + outer(b, y), outer(a, y) - outer(b, x)
  re_t, im_t = outer(x, a) + outer(y, b), outer(y, a) - outer(x, b)
  i, j = np.indices((size, size))
  half = 0.5**0.5
  choose = lambda diagonal, above, below: jnp.where(
    i == j, diagonal, half * jnp.where(i < j, above, below)
  )
  flat = lambda f: f.reshape(*f.shape[:-2], size * size)
  return flat(choose(re, re + re_t, im_t - im)), flat(choose(im, im + im_t, re - re_t))
