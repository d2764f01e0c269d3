"""Algebraic metrics: Kaehler potentials log s* H s of holomorphic sections s, H a Hermitian form.

K = sum_j (c_j / pi) log s_j* H_j s_j with sections s_j of multidegrees m_j, c_j > 0 and
sum_j c_j m_j = t is a potential in the class t for all positive H_j; H_j = 1 is Fubini-Study in the
bases of trainer.geometry.sections. Where k t is whole there is one term, m = k t and c = 1 / k; see
trainer.geometry.kaehler_class for others. A term has (number of sections)^2 parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import math
from typing import NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from networks import gauge, index_maps, jets, jets22, network, positive, registry
from networks.split_complex import Complex, pick
from networks.terms import Term

# degree k -> exponents (M, N), coefficients (M, N_k) of the sections of multidegree k t.
Sections = Callable[[int], tuple[np.ndarray, np.ndarray]]


@registry.register("algebraic")
class AlgebraicMetric(network.Network):
  """phi = sum_j (c_j / pi) log s_j* H_j s_j - (Fubini-Study potential), zero at initialisation.

  The parameter "h", (N_s, N_s) real, holds H as described in `hermitian_matrix`; it starts at the
  identity. Several terms have "h_00", "h_01", ..; sections that are not from the ambient space
  start small, and phi with them.
  """

  def __init__(
    self,
    ambient: Sequence[int],
    moduli: Sequence[float],
    terms: Callable[[int], Sequence[tuple]],
    degree: int,
    name: str | None = None,
  ):
    """Creates the module.

    Args:
      ambient: dimensions (n_1, .., n_m) of the ambient projective spaces.
      moduli: Kaehler moduli (t_1, .., t_m).
      terms: gives the fields of each Term of degree k, the sections orthonormal for Fubini-Study.
      degree: k.
      name: Haiku name.

    Raises:
      ValueError: the degree is not a positive integer, or terms refuses it.
    """
    super().__init__(name=name)
    self.ambient, self.moduli, self.degree = tuple(ambient), tuple(moduli), degree
    self.terms = tuple(Term(*term) for term in terms(check_degree(degree)))

  def __call__(self, x: chex.Array | jets.Jet) -> chex.Array | jets.Jet:
    """Evaluates phi.

    Args:
      x: (..., 2N) real, [Re z, Im z] in any scaling of each factor, or the Jet of these
        coordinates.

    Returns:
      (...) real, or the Jet of it.
    """
    names = ["h"] if len(self.terms) == 1 else [f"h_{j:02d}" for j in range(len(self.terms))]
    norms = []
    for name, term, rows in zip(names, self.terms, self.form().rows(x), strict=True):
      h = hk.get_parameter(name, (term.size, term.size), jets.dtype(x), init=term.start)
      norms.append((term.weight, squared_norm(rows, jets.matmul(rows, packed_form(h)), x)))
    return relative_potential(norms, self.ambient, self.moduli, x)

  def jet_types(self) -> tuple[type[jets.Jet], ...]:
    """Of both types: the same code and parameters serve arrays and jets."""
    return jets.Jet, jets22.Jet22

  def form(self) -> FullForm:
    """All of every H_j is free."""
    return FullForm(self.terms, self.ambient, self.degree)

  def spectrum(self, params: network.Params) -> chex.Array:
    """The eigenvalues of H; of several, those of each relative to its largest."""
    values = [jnp.linalg.eigvalsh(packed_form(h))[::2] for h in jax.tree.leaves(params)]
    if len(values) == 1:
      return values[0]
    # A factor of one H_j changes no metric.
    return jnp.concatenate([v / jnp.max(jnp.abs(v)) for v in values])

  def admit(self, params: network.Params) -> network.Params:
    """Raises the eigenvalues of each H_j that are too small."""
    return jax.tree.map(raised, params)


class FullForm(NamedTuple):
  """K = sum_j (c_j / pi) log s_j* H_j s_j in which all of every H_j is free.

  Attributes:
    terms: one or more; the parameters H_j come in their order as leaves of a tree.
    ambient: (n_1, .., n_m).
    degree: k.
  """

  terms: tuple[Term, ...]
  ambient: tuple[int, ...]
  degree: int

  def rows(self, x: chex.Array | jets.Jet) -> list[chex.Array]:
    """The `section_rows` of each term at x (..., 2N): [Re | Im] of s, d_1 s, .., d_n s of a jet."""
    return [term.rows(self.ambient, x) for term in self.terms]


def check_degree(degree: int) -> int:
  """The degree of sections, if it is one."""
  if not isinstance(degree, int) or degree < 1:
    raise ValueError(f"degree = {degree!r} must be a positive whole number")
  return degree


def hermitian_matrix(h: chex.Array) -> tuple[chex.Array, chex.Array]:
  """Re H and Im H of the Hermitian form kept in a real matrix.

  Args:
    h: (N, N) real: h_ii = H_ii, and for i < j h_ij = sqrt(2) Re H_ij, h_ji = sqrt(2) Im H_ji, so
      that |h|^2 = tr H^2; rho = sum_ij conj(s_i) H_ij s_j.

  Returns:
    Re H (N, N), symmetric; Im H (N, N), antisymmetric.
  """
  upper, lower = 0.5**0.5 * jnp.triu(h, 1), 0.5**0.5 * jnp.tril(h, -1)
  return jnp.diag(jnp.diag(h)) + upper + upper.T, lower - lower.T


def real_matrix(re: chex.Array, im: chex.Array) -> chex.Array:
  """The inverse of `hermitian_matrix`; reads Re H on and above the diagonal, Im H below."""
  return jnp.diag(jnp.diag(re)) + 2.0**0.5 * (jnp.triu(re, 1) + jnp.tril(im, -1))


def packed_form(h: chex.Array) -> chex.Array:
  """The real P (2N, 2N) with [Re s | Im s] P = [Re Hs | Im Hs]; h as in `hermitian_matrix`."""
  return positive.packed(*hermitian_matrix(h))


def raised(h: chex.Array) -> chex.Array:
  """The form whose eigenvalues below the floor of networks.positive are raised to it.

  Args:
    h: (N, N) real, as in `hermitian_matrix`.

  Returns:
    (N, N) real; h itself where nothing is to be raised.
  """
  values, vectors = jnp.linalg.eigh(packed_form(h))
  change = (vectors * positive.lift(values, values[-1])) @ vectors.T
  size = h.shape[0]
  return h + real_matrix(change[:size, :size], change[size:, :size])


def squared_norm(
  s: chex.Array, t: chex.Array, like: chex.Array | jets.Jet
) -> chex.Array | jets.Jet:
  """rho = s* t from holomorphic rows, t = H s: d_i dbar_j rho = conj(d_j s) . d_i t, H Hermitian.

  Args:
    s: (A, ..., 2N) real, [Re | Im] of the rows [s | d_a s | d_a d_c s].
    t: (A, ..., 2N) real, those of H s.
    like: what the rows were made from, an array or a jet.

  Returns:
    (...), an array or a jet of the type of `like`.
  """
  rows, size = s.shape[0], s.shape[-1] // 2
  # One product of matrices a point: many times faster than sums of products, also to compile.
  rotated = jnp.concatenate([t[..., size:], -t[..., :size]], axis=-1)
  flat = lambda a: a.reshape(a.shape[0], -1, 2 * size)
  gram = jax.lax.dot_general(
    flat(s), flat(jnp.concatenate([t, rotated])), (((2,), (2,)), ((1,), (1,)))
  )
  gram = gram.reshape(s.shape[1:-1] + (rows, 2 * rows))

  if isinstance(like, jets22.Jet22):
    gram = jnp.moveaxis(gram, (-2, -1), (0, 1))
    entry = lambda i, j: Complex(pick(gram, (j, i)), pick(gram, (j, rows + i)))
    return pack_hermitian_rows(entry, like)

  def entry(i, j):
    return Complex(gram[..., j, i], None if i == j else gram[..., j, rows + i])

  return pack_hermitian_rows(entry, like)


def pack_hermitian_rows(
  entry: Callable[[int | np.ndarray, int | np.ndarray], Complex], like: chex.Array | jets.Jet
) -> chex.Array | jets.Jet:
  """An array or a jet of the type of `like` whose derivatives are d_i dbar_j rho = entry(i, j).

  Jets of type (2, 2) ask for arrays of indices i and j, whose shape comes before that of `like`.
  """
  if not isinstance(like, jets.Jet):
    return entry(0, 0).re
  n = like.num_directions
  if isinstance(like, jets22.Jet22):
    return jets22.Jet22(index_maps.derivative_rows(entry, n))
  value, first = entry(0, 0), [entry(1 + a, 0) for a in range(n)]
  mixed = jets22.hermitian(n, lambda a, b: entry(1 + a, 1 + b))
  return jets.Jet(
    jnp.stack(
      [value.re, *(c.re for c in first), *(c.im for c in first), *jets22.pack_hermitian(mixed)]
    )
  )


def relative_potential(
  norms: Sequence[tuple[float, chex.Array | jets.Jet]],
  ambient: Sequence[int],
  moduli: Sequence[float],
  x: chex.Array | jets.Jet,
) -> chex.Array | jets.Jet:
  """phi = sum_j (c_j / pi) log rho_j - (1 / pi) sum_i t_i log |z^(i)|^2, in the gauge |z^(i)| = 1.

  Args:
    norms: c_j and rho_j (...), of degree m_ji in the coordinates of factor i and their
      conjugates, sum_j c_j m_ji = t_i.
    ambient: (n_1, .., n_m).
    moduli: (t_1, .., t_m).
    x: (..., 2N), the coordinates that rho was made from.

  Returns:
    (...), an array or a jet, like rho.
  """
  weights, rhos = zip(*norms, strict=True)
  parts = [rho[..., None] for rho in rhos]
  if isinstance(x, jets.Jet):
    parts.append(squared_norms(ambient, x))
    weights += tuple(-modulus for modulus in moduli)
    parts = jets.concatenate(parts)
  else:
    parts = jnp.concatenate(parts, axis=-1)
  weights = jnp.asarray(weights, jets.dtype(x)) / math.pi
  return jets.linear(jets.log(parts), weights[:, None])[..., 0]


def squared_norms(ambient: Sequence[int], x: jets.Jet) -> jets.Jet:
  """|z^(i)|^2 of each factor in the gauge of `networks.gauge`, where their values are 1.

  Args:
    ambient: (n_1, .., n_m).
    x: jet (..., 2N) of the coordinates.

  Returns:
    Jet (..., m).
  """
  frames = [gauge.frame(x, *parts) for parts in gauge.factors(ambient)]
  rows = [jnp.concatenate([frame.re, frame.im], axis=-1) for frame in frames]
  return jets.concatenate([squared_norm(row, row, x)[..., None] for row in rows])
