"""Harmonic (1, 1) forms: the derivatives alpha_i = dg/dt_i of a Ricci-flat metric.

Of any metric g in the class t, with c_i = V_i / Vol, V_i = d Vol / d t_i,

  alpha_i = g^(i) + (c_i / n) (g - g_FS) + d dbar u_i,   Box u_i = (c_i / n) tr g_FS - tr g^(i),

is of the class of J_i, Box u = g^{a bbar} d_a dbar_b u and tr = tr_g. If Poisson's equation holds,
tr alpha_i = c_i and alpha_i is harmonic. The middle term makes sum_i t_i alpha_i = g exact, with
sum_i t_i u_i = 0, and would leave nothing to solve for where there is one modulus: alpha = g / t.
There it is left out, and a solution u is the whole potential of g again, to be compared with it.

Of any representatives, with E_ij = integral of <alpha_i, alpha_j> dvol,
<alpha, beta> = g^{a dbar} g^{c bbar} alpha_{a bbar} beta_{c dbar},

  E_ij = V_i V_j / Vol - V_ij + integral (tr alpha_i - c_i) (tr alpha_j - c_j) dvol,

for (tr alpha tr beta - <alpha, beta>) dvol = alpha ^ beta ^ omega^{n-2} / (n-2)! is topological.
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic
from trainer.curvature import contractions
from trainer.geometry import fubini_study, topology
from trainer.geometry.variety import Variety
from trainer.metric import laplacians
from trainer.quadrature.background import Rows
from trainer.quadrature.functions import Functions


class Class(NamedTuple):
  """What the class of a metric says of its harmonic forms.

  Attributes:
    moduli: (m,), t.
    traces: (m,), c_i.
    products: (m, m), the exact E_ij.
  """

  moduli: np.ndarray
  traces: np.ndarray
  products: np.ndarray


def exact(variety: Variety) -> Class:
  """Traces and inner products of harmonic forms, from intersection numbers."""
  data = variety.ambient, variety.degrees, variety.moduli
  volume = topology.volume(*data)
  first = np.array(topology.volume_gradient(*data))
  second = np.array(topology.volume_hessian(*data))
  products = np.outer(first, first) / volume - second
  return Class(np.array(variety.moduli), first / volume, products)


def start(of_class: Class, n: int, rows: Rows, ambient: tuple[int, ...]) -> jax.Array:
  """g^(i) + (c_i / n) (g - g_FS), the forms for u = 0, at points (B, m, n, n) complex.

  With one modulus g^(1) alone.
  """
  z = jax.lax.complex(*jnp.split(rows.x, 2, axis=1))
  factors = jax.vmap(fubini_study.factor_metrics, (None, 0, 0))(ambient, z, rows.pullback)
  if len(ambient) == 1:
    return factors
  weights = jnp.asarray(of_class.traces / n, rows.x.dtype)
  rest = rows.metric - jnp.einsum("i,biac->bac", jnp.asarray(of_class.moduli, z.dtype), factors)
  return factors + weights[:, None, None] * rest[:, None]


def hessians(functions: Functions, h: jax.Array, rows: Rows) -> jax.Array:
  """d_a dbar_b u of functions h (R, N_k, N_k) real at points, (B, R, n, n) complex."""
  chex.assert_rank(h, 3)
  z = jax.lax.complex(*jnp.split(rows.x, 2, axis=1))
  factors = jax.vmap(fubini_study.factor_metrics, (None, 0, 0))(functions.ambient, z, rows.pullback)
  bend = laplacians.norm_curvature(functions.ambient, functions.basis, factors)
  s = laplacians.horizontal_sections(functions.ambient, functions.basis, rows.x, rows.pullback)
  form = jax.vmap(lambda h: jax.lax.complex(*algebraic.hermitian_matrix(h)))(h)
  products = jnp.einsum("pbk,rkl,pal->prab", s.conj(), form, s)
  return products[:, :, 1:, 1:] - bend[:, None] * products[:, :, :1, :1].real


def forms(
  of_class: Class, functions: Functions | None, h: jax.Array, rows: Rows, ambient: tuple[int, ...]
) -> jax.Array:
  """The forms alpha_i at points.

  Args:
    of_class: of the metric.
    functions: what u_i are made of; None for u = 0, and for g / t where there is one modulus.
    h: (m, N_k, N_k) real, u_i.
    rows: B points.
    ambient: (n_1, .., n_m).

  Returns:
    (B, m, n, n) complex, [i, a, b] = (alpha_i)_{a bbar}, in the points' own coordinates.
  """
  if functions is None and len(ambient) == 1:
    return rows.metric[:, None] / of_class.moduli[0]
  alpha = start(of_class, rows.metric.shape[-1], rows, ambient)
  return alpha if functions is None else alpha + hessians(functions, h, rows)


def traces(alpha: jax.Array, g: jax.Array) -> jax.Array:
  """tr_g alpha_i = g^{a bbar} (alpha_i)_{a bbar}; (B, m, n, n), (B, n, n) -> (B, m) real."""
  return jnp.einsum("pab,piab->pi", contractions.inverse(g), alpha).real


def inner_products(alpha: jax.Array, g: jax.Array) -> jax.Array:
  """<alpha_i, alpha_j>; (B, m, n, n) complex, (B, n, n) complex -> (B, m, m) real."""
  e = contractions.unitary_frame(g)
  framed = jnp.einsum("pac,picd,pbd->piab", e, alpha, e.conj())
  return jnp.einsum("piab,pjab->pij", framed, framed.conj()).real
