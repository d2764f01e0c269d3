"""Algebraic metrics that are invariant under a finite group: a few parameters, where H has thousands."""

from __future__ import annotations

from collections.abc import Sequence
import functools
import math

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic
from networks import jets
from networks import registry
from networks import sections as section_jets
from networks import symmetry
from networks.split_complex import Complex


@registry.register("invariant")
class InvariantMetric(hk.Module):
  """phi of `networks.algebraic` with H = sum_p h_p B_p, B_p a basis of the forms invariant under a group.

  rho = s* H s and all its derivatives are linear in the parameter "h" (P,), which starts at Fubini-Study:
  rho = invariant_rows(..) @ h.
  """

  supports_jets = True
  needs_sections = True

  def __init__(
      self, ambient: Sequence[int], moduli: Sequence[float], sections: algebraic.Sections, degree: int,
      order: int = 1, phases: Sequence[Sequence[int]] = (), permutations: Sequence[Sequence[int]] = (),
      conjugation: bool = False, name: str | None = None):
    """Creates the module.

    Args:
      ambient: dimensions (n_1, .., n_m) of the ambient projective spaces.
      moduli: Kaehler moduli (t_1, .., t_m).
      sections: gives the sections of multidegree k t, orthonormal for Fubini-Study.
      degree: k.
      order: order of the phases.
      phases: rows of N integers p, generators z_i -> exp(2 pi i p_i / order) z_i.
      permutations: rows of N integers, generators z_i -> z_{row[i]}.
      conjugation: whether the metric is invariant under complex conjugation too.
      name: Haiku name.

    Raises:
      ValueError: the degree is not a positive integer, or a generator does not preserve the variety.
    """
    super().__init__(name=name)
    self.ambient, self.moduli, self.degree = tuple(ambient), tuple(moduli), algebraic.check_degree(degree)
    rows = lambda table: tuple(tuple(int(i) for i in row) for row in table)
    group = symmetry.Generators(order, rows(phases), rows(permutations), bool(conjugation))
    self.forms = _forms(sections, self.ambient, self.moduli, degree, group)

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Evaluates phi.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or the Jet of these coordinates.

    Returns:
      (...) real, or the Jet of it.
    """
    start = self.forms.identity
    h = hk.get_parameter(
        "h", start.shape, jets.dtype(x), init=lambda shape, dtype: jnp.asarray(start, dtype))
    rho = _contract(self.forms, h[:, None], self.ambient, x)[..., 0]
    return algebraic.relative_potential(rho, self.ambient, self.moduli, self.degree, x)


def invariant_rows(
    forms: symmetry.Forms, ambient: Sequence[int], x: chex.Array | jets.Jet) -> chex.Array:
  """Each form's rho and its derivatives: the rows that are linear in the parameters.

  Args:
    forms: P invariant forms.
    ambient: (n_1, .., n_m).
    x: (..., 2N) real, or the Jet of these coordinates.

  Returns:
    (R, ..., P) real, R = 1 for arrays, else the rows of a jet of the type of x.
  """
  rho = _contract(forms, np.eye(len(forms.identity)), ambient, x)
  return rho.rows if isinstance(rho, jets.Jet) else rho[None]


def _contract(forms, h, ambient, x):
  """sum_p rho_p h_pf, an array or jet of shape (..., F); h (P, F)."""
  v = section_jets.monomial_rows(forms.exponents, ambient, x)
  shape, dtype = v.re.shape[1:-1], v.re.dtype
  weights = [None if w is None else (w.astype(dtype) @ h).T for w in (forms.weights, forms.twisted)]
  # Points on the last axis: pairs of monomials are then picked as rows.
  flat = jnp.stack([jnp.moveaxis(part.reshape(v.re.shape[0], -1, v.re.shape[-1]), 1, 2)
                    for part in (v.re, v.im)])
  # The thousands of pairs of a few points fit into a processor's cache.
  block = 16 if jax.default_backend() == "cpu" else 4096
  rows = jax.checkpoint(lambda points: _pair_rows(forms, weights, points, x))
  count = flat.shape[-1]
  if count <= block:
    result = rows(flat)
  else:
    padded = jnp.pad(flat, [(0, 0)] * 3 + [(0, -count % block)])
    blocks = jnp.moveaxis(padded.reshape(flat.shape[:3] + (-1, block)), 3, 0)
    result = jax.lax.map(rows, blocks)
    result = jnp.moveaxis(result, 0, 2).reshape(result.shape[1:3] + (-1,))[..., :count]
  result = jnp.moveaxis(result, 1, 2).reshape((result.shape[0],) + shape + (h.shape[1],))
  return type(x)(result) if isinstance(x, jets.Jet) else result[0]


def _pair_rows(forms, weights, v, like):
  """Rows (R, F, B) of the weighted sums (F, Q) of pairs of monomials, v (2, A, M, B)."""
  left, right = (Complex(*v[:, :, index]) for index in (forms.left, forms.right))
  plain, twisted = weights

  def entry(i, j):
    """d_i dbar_j of sum_q weights_q Re(c_q conj(v_l) v_r)."""
    row = lambda c, k: Complex(c.re[k], c.im[k])
    product, mirrored = row(right, i) * row(left, j).conj(), row(left, i) * row(right, j).conj()
    total, difference = product + mirrored, product - mirrored
    re, im = 0.5 * (plain @ total.re), 0.5 * (plain @ total.im)
    if twisted is not None:
      re, im = re - 0.5 * (twisted @ difference.im), im + 0.5 * (twisted @ difference.re)
    return Complex(re, im)

  result = algebraic.pack_hermitian_rows(entry, like)
  return result.rows if isinstance(like, jets.Jet) else result[None]


@functools.lru_cache(maxsize=8)
def _forms(sections, ambient, moduli, degree, group):
  # The smallest multiple of the degree that sees every polynomial: none has a degree above n_i + 1.
  multiple = max(math.ceil((n + 1) / round(degree * t)) for n, t in zip(ambient, moduli))
  if multiple > 1:
    symmetry.check_group(*sections(multiple * degree), ambient, group)
  return symmetry.invariant_forms(*sections(degree), ambient, group)
