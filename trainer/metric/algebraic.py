"""The linearisation of an algebraic metric, by hand: matmuls of N x N matrices and little else.

K = sum_j (c_j / pi) log rho_j with rho_j = s_j* H_j s_j, and rho_j is linear in H_j. With the
horizontal sections t_a = d_a s - (rho_a / rho) s of each term, for which t_a* H s = 0,
g = sum_j g^j, g^j_ab = (c_j / pi) (t_b* H_j t_a) / rho_j, and eta = det g / (kappa |Omega|^2),

  d log eta [V_j] = (c_j / pi) g^{a bbar} (t_b* V_j t_a) / rho_j
                    - g^{a bbar} g^j_ab (s_j* V_j s_j) / rho_j - d log kappa.

What a point teaches beside eta - 1 is how eta changes along the manifold: n complex equations
more, each as good as the first, from the same products V t_b. With t_ac = nabla_c t_a, nabla the
connection of g and of the line bundle with norm rho_j,

  d_c (d log eta [V_j]) = g^{a bbar} {(c_j / pi) (t_b* V_j t_ac)
      - g^j_ab (s_j* V_j t_c) - g^j_cb (s_j* V_j t_a) - (nabla_c g^j)_ab (s_j* V_j s_j)} / rho_j.

So a row of J is sum_iq c_iq z_i* V z_q with z = (s, t_a, t_ac), i up to n, for each term.

Directions are V_j = R_j W_j R_j with R_j = |H_j|^(1/2): W_j is V_j in sections orthonormal for H_j.
What is solved for W does not depend on the bases of sections, and needs a third of the iterations
that V itself does.
"""

import functools
import operator
from typing import Any, NamedTuple

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from networks import precision
from networks.algebraic import FullForm, hermitian_matrix, packed_form, real_matrix
from trainer.devices import parallel
from trainer.geometry import kaehler_class
from trainer.geometry.variety import Variety
from trainer.metric import algebraic_rows, complex_rows, forms
from trainer.metric.algebraic_rows import Products
from trainer.problem.linearise import Linearisation

# Eigenvalues of |H| below this part of the largest count as this much: V reaches all directions.
_LEAST = 1e-3


class Point(NamedTuple):
  """Where the residual is linearised: what directions depend on.

  Attributes:
    params: the parameters.
    roots: of each term (2N, 2N) real, |H_j|^(1/2) packed as networks.algebraic.packed_form does H.
  """

  params: Any
  roots: list[jax.Array]


class Frame(NamedTuple):
  """Rows of J: d r [W, d log kappa] = sum_j sum_iq c_jiq z_ji* W_j z_jq - r d log kappa.

  Attributes:
    terms: one for each term.
    values: (B, E) complex r, eta and l times its n derivatives.
  """

  terms: list[Products]
  values: jax.Array


@forms.linearise.register
def linearise(form: FullForm, variety: Variety | None = None) -> Linearisation:
  """The linearisation of K = sum_j (c_j / pi) log s_j* H_j s_j in (log kappa, W_j).

  Args:
    form: the terms, d H_j = |H_j|^(1/2) W_j |H_j|^(1/2).
    variety: the manifold; with it the residual is eta - 1 and l d eta, 1 + 2n numbers a point, in
      a frame orthonormal for Fubini-Study; else eta - 1 alone.

  Returns:
    The linearisation, for parameters {"log_kappa": (), "network": {..: {..: (N, N)}}}.
  """

  def measure(params, batch):
    return algebraic_rows.measure(form, variety, params, batch)

  def at_params(params):
    return Point(params, [_root(h) for h in _matrices(params)])

  def unfold(at, v):
    def transform(root, w):
      size = root.shape[0] // 2
      packed = root @ packed_form(w) @ root
      return real_matrix(packed[:size, :size], packed[size:, :size])

    tangent = ravel_pytree(at.params)[1](v)
    leaves, structure = jax.tree.flatten(tangent["network"])
    network = jax.tree.unflatten(structure, map(transform, at.roots, leaves))
    return ravel_pytree(tangent | {"network": network})[0]

  def together(at, batch):
    terms, values, found = measure(at.params, batch)
    products = algebraic_rows.products(form, terms, values, batch)
    rooted = [
      part._replace(z=precision.stored(part.z @ root.astype(part.z.dtype)))
      for part, root in zip(products, at.roots, strict=True)
    ]
    return found, Frame(rooted, values)

  def apply(at, frame, v):
    tangent = ravel_pytree(at.params)[1](v.astype(frame.values.real.dtype))
    parts = zip(frame.terms, _parts(tangent), strict=True)
    rows = functools.reduce(operator.add, (_apply(term, part) for term, part in parts))
    return shaped(complex_rows.real(rows - frame.values * tangent["log_kappa"]))

  def transpose(at, frame, u):
    u = u.astype(frame.values.real.dtype).reshape(len(frame.values), -1)
    products = [_transpose(term, complex_rows.complex_of(u)) for term in frame.terms]
    cotangent = jax.linear_transpose(_parts, at.params)(products)[0]
    log_kappa = -jnp.sum(u * complex_rows.real(frame.values))
    return ravel_pytree(cotangent | {"log_kappa": log_kappa})[0]

  def squares(at, frame):
    del at
    return shaped(sum(map(_squares, frame.terms), jnp.square(complex_rows.real(frame.values))))

  def rows(at, frame):
    one = jnp.eye(complex_rows.real(frame.values).shape[1], dtype=frame.values.real.dtype)
    of_point = lambda p: jax.vmap(
      lambda u: transpose(at, jax.tree.map(lambda a: a[None], p), u[None])
    )(one)
    found = jax.vmap(of_point)(frame)
    return found[:, 0] if variety is None else found

  # eta - 1 alone has no axis for its equation.
  shaped = (lambda rows: rows[:, 0]) if variety is None else (lambda rows: rows)
  return Linearisation(
    lambda params, batch: measure(params, batch)[-1],
    lambda at, batch: together(at, batch)[1],
    apply,
    transpose,
    rows,
    squares,
    at_params,
    unfold,
    nearly_linear=True,
    low_rank=True,
    equations=1 if variety is None else 1 + 2 * variety.dimension,
    keep=None if variety is None else functools.partial(algebraic_rows.fixed, variety),
    together=together,
  )


def describe(variety: Variety, form: Any) -> str:
  """How the class of a metric of several terms is made up; "" of others."""
  if not isinstance(form, FullForm) or len(form.terms) == 1:
    return ""
  terms = kaehler_class.terms(variety.ambient, variety.moduli, form.degree)
  return ", class " + " + ".join(f"{weight:.4g} {multidegree}" for weight, multidegree in terms)


def _matrices(params):
  return jax.tree.leaves(params["network"])


def _parts(params):
  return [hermitian_matrix(h) for h in _matrices(params)]


def _root(h):
  """|H|^(1/2), packed, in the widest precision."""
  values, vectors = jnp.linalg.eigh(packed_form(h.astype(parallel.widest_dtype())))
  sizes = jnp.abs(values)
  return (vectors * jnp.sqrt(jnp.maximum(sizes, _LEAST * jnp.max(sizes)))) @ vectors.T


def _apply(term: Products, w: tuple[jax.Array, jax.Array]) -> jax.Array:
  """sum_iq c_iq z_i* W z_q, (B, E) complex."""
  left = complex_rows.times(term.left, *w)
  return jnp.einsum("zeiq,ziq->ze", term.c, complex_rows.gram(left, term.z))


def _transpose(term: Products, u: jax.Array) -> tuple[jax.Array, jax.Array]:
  """The transpose of Re conj(u) `_apply` in W: u (B, E) complex -> (Re, Im)."""
  coefficients = jnp.einsum("zeiq,ze->ziq", term.c, u.conj())
  re, im = complex_rows.outer(complex_rows.mix(coefficients, term.z), term.left)
  return re.T, -im.T


def _squares(term: Products) -> jax.Array:
  """The squared norms of a term's part of the rows of J, as `complex_rows.real` orders them.

  Of A = sum_i l_i z_i* as the form Re tr(W A) it is that of the Hermitian part of A, of the
  imaginary part of tr(W A) that of -i A.
  """
  gram = complex_rows.gram(term.z, term.z)
  left = gram[:, : term.c.shape[2], : term.c.shape[2]]
  cross = jnp.einsum("zeiq,zjq->zeji", term.c, gram[:, : term.c.shape[2]])  # z_j* l_i
  inner = jnp.einsum("zeiq,zqr,zejr->zeij", term.c.conj(), gram, term.c)  # l_i* l_j
  size = jnp.einsum("zeij,zji->ze", inner, left).real
  twist = jnp.einsum("zeij,zeji->ze", cross, cross).real
  return jnp.concatenate([size + twist, (size - twist)[:, 1:]], axis=1) / 2
