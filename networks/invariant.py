"""Algebraic metrics invariant under a finite group: a few parameters, where H has thousands."""

from __future__ import annotations

from collections.abc import Sequence
import functools
import math
from typing import NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic, blocks, jets, jets22, network, registry, symmetry
from networks import sections as section_jets
from networks.split_complex import Complex


@registry.register("invariant")
class InvariantMetric(network.Network):
  """phi of `networks.algebraic`, H = sum_p h_p B_p, B_p a basis of forms invariant under a group.

  rho = s* H s and all its derivatives are linear in the parameter "h" (P,), which starts at
  Fubini-Study: rho = invariant_rows(..) @ h.
  """

  def __init__(
    self,
    ambient: Sequence[int],
    moduli: Sequence[float],
    sections: algebraic.Sections,
    degree: int,
    order: int = 1,
    phases: Sequence[Sequence[int]] = (),
    permutations: Sequence[Sequence[int]] = (),
    conjugation: bool = False,
    name: str | None = None,
  ):
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
      ValueError: the degree is not a positive integer, or a generator does not preserve the
        variety.
    """
    super().__init__(name=name)
    self.ambient, self.moduli, self.degree = tuple(ambient), tuple(moduli), degree
    rows = lambda table: tuple(tuple(int(i) for i in row) for row in table)
    group = symmetry.Generators(order, rows(phases), rows(permutations), bool(conjugation))
    self.forms = _forms(sections, self.ambient, self.moduli, algebraic.check_degree(degree), group)

  def __call__(
    self, x: chex.Array | jets.Jet, kept: dict[str, chex.Array] | None = None
  ) -> chex.Array | jets.Jet:
    """Evaluates phi, of kept rows where there are some; see Network."""
    start = self.forms.identity
    h = hk.get_parameter(
      "h", start.shape, jets.dtype(x), init=lambda shape, dtype: jnp.asarray(start, dtype)
    )
    rho = self.form().rho(h, x, kept)
    return algebraic.relative_potential([(1 / self.degree, rho)], self.ambient, self.moduli, x)

  def jet_types(self) -> tuple[type[jets.Jet], ...]:
    """Of both types: the same code and parameters serve arrays and jets."""
    return jets.Jet, jets22.Jet22

  def keep(self, x: jets.Jet) -> dict[str, chex.Array]:
    """The rows (B, R, P) of the jet of each form's rho."""
    return self.form().keep(x)

  def form(self) -> InvariantForm:
    """The forms and what is linear in their coefficients."""
    return InvariantForm(self.forms, self.ambient, self.degree)

  def spectrum(self, params: network.Params) -> chex.Array:
    """The eigenvalues of H."""
    (h,) = jax.tree.leaves(params)
    return blocks.eigenvalues(_matrices(self.forms, h))

  def admit(self, params: network.Params) -> network.Params:
    """Raises the eigenvalues of H that are too small; what is added to H is invariant as H is."""

    def raised(h):
      matrices, transpose = jax.vjp(lambda h: _matrices(self.forms, h), h)
      # Twice the traces of H_p with it, the packing having everything twice.
      (traces,) = transpose(blocks.raises(matrices))
      return h + 0.5 * np.linalg.pinv(self.forms.gram, hermitian=True).astype(h.dtype) @ traces

    return jax.tree.map(raised, params)


class InvariantForm(NamedTuple):
  """K = (1 / (pi k)) log rho, rho = sum_p h_p rho_p.

  Attributes:
    forms: P invariant forms.
    ambient: (n_1, .., n_m).
    degree: k.
  """

  forms: symmetry.Forms
  ambient: tuple[int, ...]
  degree: int

  def keep(self, x: jets.Jet) -> dict[str, chex.Array]:
    """The rows of the jets of all rho_p at points: {"rows": (B, R, P)}, x a jet (B, 2N)."""
    return {"rows": jnp.moveaxis(invariant_rows(self.forms, self.ambient, x), 0, 1)}

  def rho(
    self, h: chex.Array, x: chex.Array | jets.Jet, kept: dict[str, chex.Array] | None = None
  ) -> chex.Array | jets.Jet:
    """rho at x (..., 2N), of kept rows where there are some; h (P,)."""
    if not kept:
      return rho_rows(self.forms, h, self.ambient, x)
    return type(x)(jnp.einsum("brp,p->rb", kept["rows"], h, precision="highest"))

  def contract(
    self, x: jets.Jet, cotangent: chex.Array, kept: dict[str, chex.Array] | None = None
  ) -> chex.Array:
    """Cotangents (B, P) of h, point by point, from those of the rows of rho (R, B)."""
    if not kept:
      return contracted_rows(self.forms, self.ambient, x, cotangent)
    return jnp.einsum("brp,rb->bp", kept["rows"], cotangent, precision="highest")


def rho_rows(
  forms: symmetry.Forms, h: chex.Array, ambient: Sequence[int], x: chex.Array | jets.Jet
) -> chex.Array | jets.Jet:
  """rho = sum_p h_p rho_p at x (..., 2N), an array or jet of shape (...); h (P,)."""
  return _contract(forms, h[:, None], ambient, x)[..., 0]


def invariant_rows(
  forms: symmetry.Forms, ambient: Sequence[int], x: chex.Array | jets.Jet
) -> chex.Array:
  """Each form's rho and its derivatives: the rows that are linear in the parameters.

  Args:
    forms: P invariant forms.
    ambient: (n_1, .., n_m).
    x: (..., 2N) real, or the Jet of these coordinates.

  Returns:
    (R, ..., P) real, R = 1 for arrays, else the rows of a jet of the type of x.
  """
  rho = _contract(forms, np.eye(len(forms.identity), dtype=jets.dtype(x)), ambient, x)
  return rho.rows if isinstance(rho, jets.Jet) else rho[None]


def contracted_rows(
  forms: symmetry.Forms, ambient: Sequence[int], x: jets.Jet, cotangent: chex.Array
) -> chex.Array:
  """sum_R cotangent_R invariant_rows_R, without the rows: the derivative of a function of rho.

  With Gamma the Hermitian matrix of the cotangents, a form G contributes sum_lr G_lr X_lr, where
  X_lr = sum_j conj(d_j v_l) w_jr and w_j = sum_i conj(Gamma_ij) d_i v.

  Args:
    forms: P invariant forms.
    ambient: (n_1, .., n_m).
    x: jet of type (1, 1) of the coordinates, (..., 2N).
    cotangent: (R, ...) real, packed like the rows of a jet.

  Returns:
    (..., P) real.
  """
  assert type(x) is jets.Jet
  n = x.num_directions
  v = _points_last(section_jets.monomial_rows(forms.exponents, ambient, x))
  plain, twisted = (
    None if w is None else w.T.astype(v.dtype) for w in (forms.weights, forms.twisted)
  )

  def block(points):
    v, g = points
    first = [Complex(0.5 * g[1 + a], 0.5 * g[1 + n + a]) for a in range(n)]
    mixed = [
      [c if a == b else c * 0.5 for b, c in enumerate(row)]
      for a, row in enumerate(jets22.unpack_hermitian(n, g[1 + 2 * n :]))
    ]
    gamma = [[Complex(g[0])] + [c.conj() for c in first]] + [
      [first[a]] + mixed[a] for a in range(n)
    ]
    row = lambda i: Complex(v[0, i], v[1, i])
    w = [
      sum((gamma[i][j].conj() * row(i) for i in range(1, 1 + n)), gamma[0][j].conj() * row(0))
      for j in range(1 + n)
    ]
    pick = lambda c, index: Complex(c.re[index], c.im[index])
    terms = [pick(w[j], forms.right) * pick(row(j), forms.left).conj() for j in range(1 + n)]
    total = plain @ sum(c.re for c in terms)
    return total if twisted is None else total - twisted @ sum(c.im for c in terms)

  result = _by_blocks(block, (v, cotangent.reshape(cotangent.shape[0], -1)))
  return result.T.reshape(x.shape[:-1] + (result.shape[0],))


def _contract(forms, h, ambient, x):
  """sum_p rho_p h_pf, an array or jet of shape (..., F); h (P, F)."""
  v = section_jets.monomial_rows(forms.exponents, ambient, x)
  shape, dtype = v.re.shape[1:-1], v.re.dtype
  weights = [None if w is None else (w.astype(dtype) @ h).T for w in (forms.weights, forms.twisted)]
  result = _by_blocks(
    jax.checkpoint(lambda points: _pair_rows(forms, weights, points, x)), _points_last(v)
  )
  result = jnp.moveaxis(result, 1, 2).reshape((result.shape[0],) + shape + (h.shape[1],))
  return type(x)(result) if isinstance(x, jets.Jet) else result[0]


def _matrices(forms, h):
  re = forms.weights.astype(h.dtype) @ h
  im = 0.0 if forms.twisted is None else forms.twisted.astype(h.dtype) @ h
  return blocks.matrices(forms.blocks, re, im)


def _points_last(v: Complex) -> chex.Array:
  """(A, ..., M) -> (2, A, M, B): pairs of monomials are then picked as rows."""
  return jnp.stack(
    [jnp.moveaxis(part.reshape(part.shape[0], -1, part.shape[-1]), 1, 2) for part in (v.re, v.im)]
  )


def _by_blocks(function, arrays):
  """function of arrays with the points on their last axes, a block of points at a time."""
  # The thousands of pairs of a few points fit into a processor's cache.
  block = 16 if jax.default_backend() == "cpu" else 4096
  count = jax.tree.leaves(arrays)[0].shape[-1]
  if count <= block:
    return function(arrays)

  def fold(a):
    a = jnp.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, -count % block)])
    return jnp.moveaxis(a.reshape(a.shape[:-1] + (-1, block)), -2, 0)

  result = jnp.moveaxis(jax.lax.map(function, jax.tree.map(fold, arrays)), 0, -2)
  return result.reshape(result.shape[:-2] + (-1,))[..., :count]


def _pair_rows(forms, weights, v, like):
  """Rows (R, F, B) of the weighted sums (F, Q) of pairs of monomials, v (2, A, M, B)."""
  left, right = (Complex(*v[:, :, index]) for index in (forms.left, forms.right))
  plain, twisted = weights

  def entry(i, j):
    """d_i dbar_j of sum_q weights_q Re(c_q conj(v_l) v_r)."""
    product, mirrored = right[i] * left[j].conj(), left[i] * right[j].conj()
    total, difference = product + mirrored, product - mirrored
    re, im = 0.5 * (plain @ total.re), 0.5 * (plain @ total.im)
    if twisted is not None:
      re, im = re - 0.5 * (twisted @ difference.im), im + 0.5 * (twisted @ difference.re)
    return Complex(re, im)

  result = algebraic.pack_hermitian_rows(entry, like)
  return result.rows if isinstance(like, jets.Jet) else result[None]


@functools.lru_cache(maxsize=8)
def _forms(sections, ambient, moduli, degree, group):
  basis = sections(degree)
  # The smallest multiple of the degree that sees every polynomial: none has a degree above n_i + 1.
  multiple = max(math.ceil((n + 1) / round(degree * t)) for n, t in zip(ambient, moduli))
  if multiple > 1:
    symmetry.check_group(*sections(multiple * degree), ambient, group)
  return symmetry.invariant_forms(*basis, ambient, group)
