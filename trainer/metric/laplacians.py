"""Functions with an exactly known integral: Laplacians of products of sections.

The integral of Delta f dvol vanishes for every f and every Kaehler metric. Here f runs through the
real and imaginary parts of f_AB = s_A conj(s_B) / prod_i |z^(i)|^(2 k_i), s the sections of
multidegree k.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

import jax
import jax.numpy as jnp
import numpy as np

from networks import jets
from networks import sections as section_jets
from trainer.curvature import contractions
from trainer.geometry import sections
from trainer.geometry.sections import SectionBasis
from trainer.geometry.variety import Variety, factor_slices

# How many functions there are at most: beside Chern densities more of them gain nothing.
_MOST = 64


def section_products(variety: Variety) -> SectionBasis:
  """The sections s: of degree 2 in each factor, or of degree 1 if not all f_AA of 2 are taken."""
  basis = None
  for degree in (2, 1):
    basis = sections.section_basis(variety, (degree,) * len(variety.ambient))
    if basis.coefficients.shape[1] <= _MOST:
      break
  return basis


def num_functions(variety: Variety) -> int:
  """How many functions f there are."""
  return min(section_products(variety).coefficients.shape[1] ** 2, _MOST)


def laplacians(
  variety: Variety,
  basis: SectionBasis,
  x: jax.Array,
  pullback: jax.Array,
  metrics: jax.Array,
  factors: jax.Array,
  count: int,
) -> jax.Array:
  """g^{a bbar} d_a dbar_b f for the first `count` functions f, for several metrics.

  In the gauge |z^(i)| = 1 with d_a s orthogonal to it (networks.gauge)
  d_a dbar_b f_AB = d_a s_A conj(d_b s_B) - pi sum_i k_i g^(i)_{a bbar} f_AB. The functions are f_AA
  first, then Re f_AB and Im f_AB, neighbours A, B before others.

  Args:
    variety: the manifold.
    basis: s, of any multidegree of 1 or more.
    x: (B, 2N) real points.
    pullback: (B, n, N) complex.
    metrics: (M, B, n, n) complex, g.
    factors: (B, m, n, n) complex, g^(i), see trainer.geometry.fubini_study.factor_metrics.
    count: at most `num_functions`.

  Returns:
    (B, M * count) real; those of one metric next to each other.
  """
  s = horizontal_sections(variety.ambient, basis, x, pullback)
  value, slope = s[:, :1], s[:, 1:]
  bend = norm_curvature(variety.ambient, basis, factors)
  a, b, imaginary = _functions(s.shape[-1], count)
  product = lambda u, v: jnp.sum(u[:, :, a] * v[:, :, b].conj(), axis=1)
  parts = []
  for g in metrics:
    raised = contractions.inverse(g)
    trace = jnp.sum(raised * bend, axis=(1, 2)).real
    second = product(slope, raised.conj() @ slope) - trace[:, None] * product(value, value)
    parts.append(jnp.where(imaginary, second.imag, second.real))
  return jnp.concatenate(parts, axis=1)


def horizontal_sections(
  ambient: Sequence[int], basis: SectionBasis, x: jax.Array, pullback: jax.Array
) -> jax.Array:
  """Sections in the gauge |z^(i)| = 1 and their derivatives orthogonal to them.

  Args:
    ambient: (n_1, .., n_m).
    basis: s, of any multidegree of 1 or more in some factor.
    x: (B, 2N) real points.
    pullback: (B, n, N) complex directions.

  Returns:
    (B, 1 + n, N_k) complex, s and d_a s.
  """
  rows = section_jets.section_rows(
    basis.exponents, basis.coefficients, ambient, jets.from_coordinates(x, pullback)
  )
  return jnp.moveaxis(jax.lax.complex(*jnp.split(rows, 2, axis=-1)), 0, 1)


def norm_curvature(ambient: Sequence[int], basis: SectionBasis, factors: jax.Array) -> jax.Array:
  """d_a dbar_b log prod_i |z^(i)|^(2 k_i) = pi sum_i k_i g^(i)_{a bbar}, k that of the sections.

  Args:
    ambient: (n_1, .., n_m).
    basis: the sections.
    factors: (B, m, n, n) complex, g^(i).

  Returns:
    (B, n, n) complex.
  """
  degrees = np.array([basis.exponents[0, part].sum() for part in factor_slices(tuple(ambient))])
  return math.pi * jnp.sum(factors * degrees[:, None, None].astype(factors.real.dtype), axis=1)


def _functions(size, count):
  """A, B and whether the imaginary part is meant, for the first `count` functions."""
  functions = [(i, i, False) for i in range(size)]
  for apart in range(1, size):
    for i in range(size - apart):
      functions += [(i, i + apart, False), (i, i + apart, True)]
  return (np.array(column) for column in zip(*functions[:count], strict=True))
