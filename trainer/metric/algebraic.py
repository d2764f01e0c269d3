"""The linearisation of an algebraic metric, by hand: matmuls of N_k x N_k and little else.

K = (1/(pi k)) log rho with rho = s* H s, and rho is linear in H. With the horizontal sections
t_a = d_a s - (rho_a / rho) s, for which t_a* H s = 0, g_ab = (t_b* H t_a) / (pi k rho) and

  d log det g [V] = (1/(pi k rho)) sum_ab (g^-1)_ba t_b* V t_a - n (s* V s) / rho.

Gram-Schmidt of the t_a against g turns the double sum into one over n squares e_a* V e_a: a row of
J is a Hermitian matrix of rank n + 1, and J V costs (n + 1) quadratic forms a point.

Directions are V = R W R with R = |H|^(1/2): W is V in sections orthonormal for H. What is solved
for W does not depend on the basis of sections, and needs a third of the iterations that V itself
does.
"""

import math
from typing import Any, NamedTuple

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from networks import jets
from networks.algebraic import FullForm, hermitian_matrix, packed_form, real_matrix, squared_norm
from trainer.devices import parallel
from trainer.geometry import hermitian
from trainer.metric import forms
from trainer.metric.losses import Tensors, monge_ampere, residual
from trainer.problem.linearise import Linearisation

# Eigenvalues of |H| below this part of the largest count as this much: V reaches all directions.
_LEAST = 1e-3


class Point(NamedTuple):
  """Where the residual is linearised: what directions depend on.

  Attributes:
    params: the parameters.
    root: (2 N_k, 2 N_k) real, |H|^(1/2) packed as networks.algebraic.packed_form does H.
  """

  params: Any
  root: jax.Array


class Frame(NamedTuple):
  """A row of J: d eta [W, d log kappa] = sum_a s_a e_a* W e_a - eta d log kappa.

  Attributes:
    e: (B, n + 1, 2 N_k) real, [Re e | Im e]: e_0, along R s, then e_1, .., e_n.
    signs: (B, n + 1), s_0 = -1 and s_a = 1 where g is positive definite.
    eta: (B,).
  """

  e: jax.Array
  signs: jax.Array
  eta: jax.Array


@forms.linearise.register
def linearise(form: FullForm) -> Linearisation:
  """The linearisation of K = (1/(pi k)) log s* H s in (log kappa, W), d H = |H|^(1/2) W |H|^(1/2).

  Args:
    form: the sections and their degree.

  Returns:
    The linearisation, for parameters {"log_kappa": (), "network": {..: {"h": (N_k, N_k)}}}.
  """
  scale = 1 / (math.pi * form.degree)

  def measure(params, batch):
    """Section rows, the jet of rho, and the metric's tensors."""
    coordinates = jets.from_coordinates(batch.x, batch.pullback)
    rows = form.rows(coordinates)
    rho = squared_norm(rows, jets.matmul(rows, packed_form(_form(params))), coordinates)
    metric = scale * jets.log(rho).mixed
    return rows, rho, Tensors.of_metric(metric, params["log_kappa"], batch)

  def at_params(params):
    return Point(params, _root(_form(params)))

  def unfold(at, v):
    unravel = ravel_pytree(at.params)[1]
    size = at.root.shape[0] // 2

    def transform(w):
      packed = at.root @ packed_form(w) @ at.root
      return real_matrix(packed[:size, :size], packed[size:, :size])

    tangent = unravel(v)
    return ravel_pytree(tangent | {"network": jax.tree.map(transform, tangent["network"])})[0]

  def prepare(at, batch):
    rows, rho, tensors = measure(at.params, batch)
    frame, signs = _frame(rows, rho, tensors.metric, tensors.eta, scale)
    return Frame(frame @ at.root.astype(frame.dtype), signs, tensors.eta)

  def apply(at, frame, v):
    unravel = ravel_pytree(at.params)[1]
    tangent = unravel(v.astype(frame.e.dtype))
    forms = _quadratic_forms(frame.e, *_parts(tangent))
    return _sum_features(forms * frame.signs) - frame.eta * tangent["log_kappa"]

  def transpose(at, frame, u):
    u = u.astype(frame.e.dtype)
    cotangent = jax.linear_transpose(_parts, at.params)(
      _outer_products(frame.e, u[:, None] * frame.signs)
    )[0]
    return ravel_pytree(cotangent | {"log_kappa": -jnp.sum(u * frame.eta)})[0]

  def squares(at, frame):
    del at
    e = frame.e
    inner = jnp.einsum("paz,pbz->pab", e, e)
    half = e.shape[-1] // 2
    twisted = jnp.einsum("paz,pbz->pab", e[..., :half], e[..., half:])
    size = jnp.square(inner) + jnp.square(twisted - jnp.swapaxes(twisted, 1, 2))
    return jnp.einsum("pab,pa,pb->p", size, frame.signs, frame.signs) + jnp.square(frame.eta)

  def rows(at, frame):
    return jax.vmap(
      lambda p: transpose(at, jax.tree.map(lambda a: a[None], p), jnp.ones((1,), p.eta.dtype))
    )(frame)

  return Linearisation(
    lambda params, batch: residual(monge_ampere, measure(params, batch)[-1]),
    prepare,
    apply,
    transpose,
    rows,
    squares,
    at_params,
    unfold,
    nearly_linear=True,
    low_rank=True,
  )


def _form(params):
  (h,) = jax.tree.leaves(params["network"])
  return h


def _parts(params):
  return hermitian_matrix(_form(params))


def _root(h):
  """|H|^(1/2), packed, in the widest precision."""
  values, vectors = jnp.linalg.eigh(packed_form(h.astype(parallel.widest_dtype())))
  sizes = jnp.abs(values)
  return (vectors * jnp.sqrt(jnp.maximum(sizes, _LEAST * jnp.max(sizes)))) @ vectors.T


def _frame(rows, rho, metric, eta, scale):
  """The frame and its signs, g = C S C^dagger.

  e_0 = sqrt(n eta / rho) s, e_i = sqrt(eta / (pi k rho)) sum_a (C^-1)_ia t_a.
  """
  n, size = rho.num_directions, rho.value
  slopes = [jax.lax.complex(rho.rows[1 + a], rho.rows[1 + n + a]) for a in range(n)]
  half = rows.shape[-1] // 2
  inverse, signs = _inverse_factor(metric)
  factor = jnp.sqrt(scale * jnp.abs(eta / size))
  frame = [jnp.sqrt(n * jnp.abs(eta / size))[:, None] * rows[0]]
  for i in range(n):
    weights = [factor * inverse[i][a] for a in range(i + 1)]
    along = sum(w * slopes[a] for a, w in enumerate(weights)) / size
    total = 0.0
    for w, row in zip([*weights, -along], [*rows[1 : i + 2], rows[0]], strict=True):
      x, y = row[:, :half], row[:, half:]
      re, im = w.real[:, None], w.imag[:, None]
      total += jnp.concatenate([re * x - im * y, re * y + im * x], axis=-1)
    frame.append(total)
  signs = jnp.stack([-jnp.ones_like(size), *signs], axis=1) * jnp.sign(eta / size)[:, None]
  return jnp.stack(frame, axis=1), signs


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


def _quadratic_forms(e, re, im):
  """e_a* V e_a, (B, n + 1), as the real form x Re V x + y (Re V y + 2 Im V x)."""
  rows = e.reshape(-1, e.shape[-1])
  half = e.shape[-1] // 2
  x, y = rows[:, :half], rows[:, half:]
  first = x @ re
  second = rows @ jnp.concatenate([2.0 * im.T, re])
  return _sum_features(x * first + y * second).reshape(e.shape[:2])


def _outer_products(e, u):
  """The transpose of `_quadratic_forms` in V: e (B, n + 1, 2N), u (B, n + 1) -> (Re, Im)."""
  rows, u = e.reshape(-1, e.shape[-1]), u.reshape(-1, 1)
  half = e.shape[-1] // 2
  x, y = rows[:, :half], rows[:, half:]
  second = rows.T @ (u * y)
  return (u * x).T @ x + second[half:], 2.0 * second[:half].T


def _sum_features(x):
  # A matmul with ones: XLA's CPU backend does not vectorise sums over the last axis.
  return x @ jnp.ones((x.shape[-1],), x.dtype)
