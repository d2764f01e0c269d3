"""What is to vanish and its derivative by parameters, by hand and by autodiff, matrix and map."""

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp
import numpy as np
import pytest

from networks import precision
from tests.optimizers import problems
from trainer.geometry import hermitian, patches
from trainer.metric import algebraic_rows
from trainer.points import batch as batches
from trainer.problem import linearise


@pytest.mark.parametrize(
  "kind, factors, moduli, slopes",
  [
    ("network", 1, (), True),
    ("algebraic", 2, (), False),
    ("terms", 2, (0.5, 2**0.5), True),  # Multidegrees (0, 1), (1, 1) and (1, 2).
    ("invariant", 1, (), True),
    ("sum", 1, (), True),
  ],
)
def test_the_linearisation_is_the_derivative(kind, factors, moduli, slopes, data_dir):
  _, params, problem = problems.linearisation(kind, factors, moduli)
  linear = problem.linearise(slopes)
  batch = jax.tree.map(lambda a: a[:6], problems.points(data_dir, 256, factors, moduli))
  flat, unravel = ravel_pytree(params)
  value, _, positive, watched = jax.jit(linear.residual)(params, batch)
  expected = jax.jit(problem.residual)(params, batch)
  several = slopes and kind in ("algebraic", "terms")
  assert value.shape == ((6, 5) if several else (6,)) and linear.equations == value[0].size
  np.testing.assert_allclose(value[:, 0] if several else value, expected.value, rtol=1e-12)
  np.testing.assert_allclose(watched["sigma"], expected.watched["sigma"], rtol=1e-10)
  assert positive.all()
  jacobian = jax.jit(jax.jacrev(lambda p: linear.residual(unravel(p), batch).value))(flat)

  rng = np.random.default_rng(2)
  # Of a sum only the last network is trained.
  unknowns = ravel_pytree(problem.trained(params))[0].size
  assert (unknowns < flat.size) == (kind == "sum")
  v, u = rng.normal(size=unknowns), rng.normal(size=value.shape)
  at = linear.at(params)
  directions = jax.vmap(lambda unit: linear.unfold(at, unit))(jnp.eye(unknowns))
  assert np.linalg.matrix_rank(directions) == unknowns
  jacobian = np.asarray(jacobian @ directions.T)
  for chosen in (linear, linearise.lazily(linear)):

    @jax.jit
    def maps(at, batch, v, u):
      prepared = chosen.prepare(at, batch)
      return (
        chosen.apply(at, prepared, v),
        chosen.transpose(at, prepared, u),
        chosen.rows(at, prepared),
        chosen.squares(at, prepared),
      )

    expected = (
      jacobian @ v,
      np.tensordot(u, jacobian, u.ndim),
      jacobian,
      np.sum(jacobian**2, axis=-1),
    )
    for found, by_autodiff in zip(maps(at, batch, v, u), expected, strict=True):
      np.testing.assert_allclose(found, by_autodiff, rtol=1e-10, atol=1e-11)


def test_how_eta_changes_along_the_manifold(data_dir):
  """By differences of eta in the chart of a point, to second order."""
  moduli = 0.5, 2**0.5
  linear, params, problem = problems.linearisation("terms", 2, moduli)
  variety = problem.variety
  batch = jax.tree.map(lambda a: a[:3], problems.points(data_dir, 256, 2, moduli))
  z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
  charts = jax.vmap(lambda z: patches.choose_chart(variety, z))(z)

  @jax.jit
  def eta(z):
    moved = batches.prepare(variety, z, batch.weight, charts)
    return problem.residual(params, moved).value

  h, n = 1e-5, variety.dimension
  along = lambda step: (eta(z + h * step) - eta(z - h * step)) / (2 * h)
  at = [(batch.pullback[:, a], 1j * batch.pullback[:, a]) for a in range(n)]
  slopes = np.stack([(along(re) - 1j * along(im)) / 2 for re, im in at], axis=1)
  _, target, _, _ = found = linear.residual(params, batch)
  rows = np.asarray(found.value)
  np.testing.assert_array_equal(target, np.eye(1 + 2 * n)[0])
  frame = np.linalg.cholesky(hermitian.unpack(batch.fubini_study.T))
  k = problem.ansatz.form.degree
  length = np.sqrt(n / ((n + 2) * np.pi * k))
  expected = length * np.linalg.solve(frame, slopes[..., None])[..., 0]
  assert np.abs(expected).min() > 1e-3
  np.testing.assert_allclose(rows[:, 1 : 1 + n] + 1j * rows[:, 1 + n :], expected, rtol=1e-6)
  # What is kept of points is what would be computed anew.
  kept = batch._replace(fixed=algebraic_rows.fixed(variety, batch))
  np.testing.assert_allclose(linear.residual(params, kept).value, rows, rtol=1e-13)


def test_rounded_rows_of_an_algebraic_metric(data_dir):
  linear, params, _ = problems.linearisation("algebraic")
  to_single = lambda a: jnp.asarray(a, jnp.complex64 if jnp.iscomplexobj(a) else jnp.float32)
  batch = jax.tree.map(lambda a: to_single(a[:64]), problems.points(data_dir, 256, 1, ()))
  at = linear.at(jax.tree.map(to_single, params))
  rng = np.random.default_rng(0)
  v = rng.normal(size=sum(leaf.size for leaf in jax.tree.leaves(params)))
  u = rng.normal(size=(64, 3))
  found = {}
  for name in ("float32", "bfloat16"):
    with precision.matmuls(name):

      @jax.jit
      def maps(at, batch):
        prepared = linear.prepare(at, batch)
        stored = prepared.terms[0].z
        return stored, linear.apply(at, prepared, v), linear.transpose(at, prepared, u)

      found[name] = maps(at, batch)
  assert found["bfloat16"][0].dtype == jnp.bfloat16
  for exact, rounded in zip(found["float32"][1:], found["bfloat16"][1:], strict=True):
    assert rounded.dtype == exact.dtype
    error = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
    assert 1e-5 < error < 0.02


def test_the_derivative_exists_where_g_is_indefinite(data_dir):
  linear, params, _ = problems.linearisation("algebraic")
  batch = problems.points(data_dir)
  params = params | {"network": jax.tree.map(lambda h: h.at[0, 0].set(-3.0), params["network"])}
  value, _, positive, _ = jax.jit(linear.residual)(params, batch)
  assert (~positive).any() and positive.any() and (value[:, 0] < 0).any()
  flat, unravel = ravel_pytree(params)

  @jax.jit
  def gradients(u):
    at = linear.at(params)
    pull = jax.vjp(lambda p: linear.residual(unravel(p), batch).value, flat)[1]
    directions = jax.vmap(lambda unit: linear.unfold(at, unit))(jnp.eye(flat.size))
    return linear.transpose(at, linear.prepare(at, batch), u), directions @ pull(u)[0]

  # Where g is indefinite alone, and everywhere.
  for u in (jnp.where(positive[:, None], 0.0, value), jnp.ones_like(value)):
    found, expected = gradients(u)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())
