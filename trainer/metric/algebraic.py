"""The linearisation of an algebraic metric, by hand: matmuls of N x N matrices and little else.

K = sum_j (c_j / pi) log rho_j with rho_j = s_j* H_j s_j, and rho_j is linear in H_j. With the
horizontal sections t_a = d_a s - (rho_a / rho) s of each term, for which t_a* H s = 0,
g = sum_j g^j with g^j_ab = (c_j / pi) (t_b* H_j t_a) / rho_j and, in a gauge where d_a rho_j = 0,

  d dbar (s* V s / rho)_ab = (t_b* V t_a) / rho - (s* V s / rho) (t_b* H t_a) / rho,
  d log det g [V_j] = (c_j / (pi rho_j)) sum_ab (g^-1)_ba t_b* V_j t_a
                      - tr(g^-1 g^j) (s_j* V_j s_j) / rho_j,

the trace being n where there is one term. Gram-Schmidt of the t_a against g turns the double sum
into one over n squares e_a* V e_a: a row of J is a Hermitian matrix of rank n + 1 for each term,
and J V costs (n + 1) quadratic forms a point and term.

Directions are V_j = R_j W_j R_j with R_j = |H_j|^(1/2): W_j is V_j in sections orthonormal for H_j.
What is solved for W does not depend on the bases of sections, and needs a third of the iterations
that V itself does.
"""

import functools
import math
import operator
from typing import Any, NamedTuple

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from networks import jets, precision
from networks.algebraic import FullForm, hermitian_matrix, packed_form, real_matrix, squared_norm
from trainer.devices import parallel
from trainer.geometry import hermitian, kaehler_class
from trainer.geometry.variety import Variety
from trainer.metric import forms
from trainer.metric.losses import Tensors, monge_ampere, residual
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


class Squares(NamedTuple):
  """A term's part of a row of J, sum_a s_a e_a* W e_a.

  Attributes:
    e: (B, n + 1, 2N) real, [Re e | Im e]: e_0, along R s, then e_1, .., e_n; see precision.stored.
    signs: (B, n + 1), s_0 = -1 and s_a = 1 where g is positive definite.
  """

  e: jax.Array
  signs: jax.Array


class Frame(NamedTuple):
  """A row of J: d eta [W, d log kappa] = sum_j sum_a s_ja e_ja* W_j e_ja - eta d log kappa.

  Attributes:
    terms: one for each term.
    eta: (B,).
  """

  terms: list[Squares]
  eta: jax.Array


@forms.linearise.register
def linearise(form: FullForm) -> Linearisation:
  """The linearisation of K = sum_j (c_j / pi) log s_j* H_j s_j in (log kappa, W_j).

  Args:
    form: the terms, d H_j = |H_j|^(1/2) W_j |H_j|^(1/2).

  Returns:
    The linearisation, for parameters {"log_kappa": (), "network": {..: {..: (N, N)}}}.
  """
  scales = [term.weight / math.pi for term in form.terms]

  def measure(params, batch):
    """Section rows, the jet of rho and g^j of each term, and the metric's tensors."""
    coordinates = jets.from_coordinates(batch.x, batch.pullback)
    rows = form.rows(coordinates)
    rhos = [
      squared_norm(s, jets.matmul(s, packed_form(h)), coordinates)
      for s, h in zip(rows, _matrices(params), strict=True)
    ]
    metrics = [scale * jets.log(rho).mixed for scale, rho in zip(scales, rhos)]
    metric = functools.reduce(operator.add, metrics)
    return rows, rhos, metrics, Tensors.of_metric(metric, params["log_kappa"], batch)

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
    rows, rhos, metrics, tensors = measure(at.params, batch)
    inverse, signs = _inverse_factor(tensors.metric)
    terms = []
    for j, root in enumerate(at.roots):
      trace = rhos[j].num_directions if len(rows) == 1 else _trace(metrics[j], inverse, signs)
      frame = _frame(rows[j], rhos[j], tensors.eta, scales[j], trace, inverse, signs)
      terms.append(frame._replace(e=precision.stored(frame.e @ root.astype(frame.e.dtype))))
    return residual(monge_ampere, tensors), Frame(terms, tensors.eta)

  def apply(at, frame, v):
    tangent = ravel_pytree(at.params)[1](v.astype(frame.eta.dtype))
    squares = [
      _sum_features(_quadratic_forms(term.e, *parts) * term.signs)
      for term, parts in zip(frame.terms, _parts(tangent), strict=True)
    ]
    return functools.reduce(operator.add, squares) - frame.eta * tangent["log_kappa"]

  def transpose(at, frame, u):
    u = u.astype(frame.eta.dtype)
    products = [_outer_products(term.e, u[:, None] * term.signs) for term in frame.terms]
    cotangent = jax.linear_transpose(_parts, at.params)(products)[0]
    return ravel_pytree(cotangent | {"log_kappa": -jnp.sum(u * frame.eta)})[0]

  def squares(at, frame):
    del at
    return sum(map(_size, frame.terms), jnp.square(frame.eta))

  def rows(at, frame):
    return jax.vmap(
      lambda p: transpose(at, jax.tree.map(lambda a: a[None], p), jnp.ones((1,), p.eta.dtype))
    )(frame)

  return Linearisation(
    lambda params, batch: residual(monge_ampere, measure(params, batch)[-1]),
    lambda at, batch: together(at, batch)[1],
    apply,
    transpose,
    rows,
    squares,
    at_params,
    unfold,
    nearly_linear=True,
    low_rank=True,
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


def _frame(rows, rho, eta, scale, trace, inverse, signs):
  """The squares of a term before R is applied, g = C S C^dagger.

  e_0 = sqrt(tr(g^-1 g^j) eta / rho) s, e_i = sqrt(c eta / (pi rho)) sum_a (C^-1)_ia t_a.
  """
  n, size = rho.num_directions, rho.value
  slopes = [jax.lax.complex(rho.rows[1 + a], rho.rows[1 + n + a]) for a in range(n)]
  half = rows.shape[-1] // 2
  factor = jnp.sqrt(scale * jnp.abs(eta / size))
  frame = [jnp.sqrt(jnp.abs(trace * eta / size))[:, None] * rows[0]]
  for i in range(n):
    weights = [factor * inverse[i][a] for a in range(i + 1)]
    along = sum(w * slopes[a] for a, w in enumerate(weights)) / size
    total = 0.0
    for w, row in zip([*weights, -along], [*rows[1 : i + 2], rows[0]], strict=True):
      x, y = row[:, :half], row[:, half:]
      re, im = w.real[:, None], w.imag[:, None]
      total += jnp.concatenate([re * x - im * y, re * y + im * x], axis=-1)
    frame.append(total)
  signs = jnp.stack([-jnp.sign(trace) * jnp.ones_like(size), *signs], axis=1)
  return Squares(jnp.stack(frame, axis=1), signs * jnp.sign(eta / size)[:, None])


def _trace(metric, inverse, signs):
  """tr(g^-1 h) of a Hermitian form h packed like g, by the factor of g."""
  h = hermitian.unpack(metric)
  total = 0.0
  for row, sign in zip(inverse, signs, strict=True):
    row = [(a, c) for a, c in enumerate(row) if c is not None]
    total += sign * sum((c * h[:, a, b] * jnp.conj(d)).real for a, c in row for b, d in row)
  return total


def _inverse_factor(metric):
  """C^-1, lower triangular, lists of complex (B,), and s_i = +-1: g_ab = sum_i s_i C_ai conj(C_bi).

  All s_i are 1 where g is positive definite; the derivative of its determinant exists elsewhere,
  too.
  """
  g = hermitian.unpack(metric)
  n = g.shape[-1]
  c, signs = [[None] * n for _ in range(n)], []
  for a in range(n):
    for b in range(a + 1):
      value = g[:, a, b] - sum(signs[i] * c[a][i] * jnp.conj(c[b][i]) for i in range(b))
      if a > b:
        c[a][b] = value / (signs[b] * c[b][b])
    c[a][a] = jnp.sqrt(jnp.abs(value.real)).astype(value.dtype)
    signs.append(jnp.sign(value.real))
  inverse = [[None] * n for _ in range(n)]
  for i in range(n):
    inverse[i][i] = 1 / c[i][i]
    for a in range(i):
      inverse[i][a] = -sum(c[i][j] * inverse[j][a] for j in range(a, i)) / c[i][i]
  return inverse, signs


def _size(term):
  """|J_p|^2 of a term's part of each row."""
  e, signs = term.e.astype(term.signs.dtype), term.signs
  inner = jnp.einsum("paz,pbz->pab", e, e)
  half = e.shape[-1] // 2
  twisted = jnp.einsum("paz,pbz->pab", e[..., :half], e[..., half:])
  size = jnp.square(inner) + jnp.square(twisted - jnp.swapaxes(twisted, 1, 2))
  return jnp.einsum("pab,pa,pb->p", size, signs, signs)


def _quadratic_forms(e, re, im):
  """e_a* V e_a, (B, n + 1), as the real form x Re V x + y (Re V y + 2 Im V x)."""
  rows = e.reshape(-1, e.shape[-1])
  half = e.shape[-1] // 2
  x, y = rows[:, :half], rows[:, half:]
  first = precision.product(x, re)
  second = precision.product(rows, jnp.concatenate([2.0 * im.T, re]))
  return _sum_features(x * first + y * second).reshape(e.shape[:2])


def _outer_products(e, u):
  """The transpose of `_quadratic_forms` in V: e (B, n + 1, 2N), u (B, n + 1) -> (Re, Im)."""
  rows, u = e.reshape(-1, e.shape[-1]), u.reshape(-1, 1)
  half = e.shape[-1] // 2
  x, y = rows[:, :half], rows[:, half:]
  if e.dtype == jnp.bfloat16:
    columns = precision.columns(rows)
    second = precision.product(columns, u * y)
    return precision.product(columns[:half], u * x) + second[half:], 2.0 * second[:half].T
  second = rows.T @ (u * y)
  return (u * x).T @ x + second[half:], 2.0 * second[:half].T


def _sum_features(x):
  # A matmul with ones: XLA's CPU backend does not vectorise sums over the last axis.
  return x @ jnp.ones((x.shape[-1],), x.dtype)
