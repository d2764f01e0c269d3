"""d eta / d parameters, by hand and by autodiff, as a matrix and as a map."""

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp
import numpy as np
import pytest

from networks import precision
from tests.optimizers import problems
from trainer.problem import linearise


@pytest.mark.parametrize(
  "kind, factors, moduli",
  [
    ("network", 1, ()),
    ("algebraic", 2, ()),
    ("terms", 2, (0.5, 2**0.5)),  # Multidegrees (0, 1), (1, 1) and (1, 2).
    ("invariant", 1, ()),
    ("sum", 1, ()),
  ],
)
def test_the_linearisation_is_the_derivative_of_eta(kind, factors, moduli, data_dir):
  linear, params, problem = problems.linearisation(kind, factors, moduli)
  batch = jax.tree.map(lambda a: a[:6], problems.points(data_dir, 256, factors, moduli))
  flat, unravel = ravel_pytree(params)
  eta, _, positive, _ = jax.jit(linear.residual)(params, batch)
  expected = jax.jit(problem.residual)(params, batch).value
  np.testing.assert_allclose(eta, expected, rtol=1e-12)
  assert positive.all()
  jacobian = jax.jit(jax.jacrev(lambda p: problem.residual(unravel(p), batch).value))(flat)

  rng = np.random.default_rng(2)
  # Of a sum only the last network is trained.
  unknowns = ravel_pytree(problem.trained(params))[0].size
  assert (unknowns < flat.size) == (kind == "sum")
  v, u = rng.normal(size=unknowns), rng.normal(size=(6,))
  at = linear.at(params)
  directions = jax.vmap(lambda unit: linear.unfold(at, unit))(jnp.eye(unknowns))
  assert np.linalg.matrix_rank(directions) == unknowns
  jacobian = np.asarray(directions @ jacobian.T).T
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

    expected = jacobian @ v, u @ jacobian, jacobian, np.sum(jacobian**2, axis=1)
    for found, by_autodiff in zip(maps(at, batch, v, u), expected, strict=True):
      np.testing.assert_allclose(found, by_autodiff, rtol=1e-10, atol=1e-11)


def test_rounded_rows_of_an_algebraic_metric(data_dir):
  linear, params, _ = problems.linearisation("algebraic")
  to_single = lambda a: jnp.asarray(a, jnp.complex64 if jnp.iscomplexobj(a) else jnp.float32)
  batch = jax.tree.map(lambda a: to_single(a[:64]), problems.points(data_dir, 256, 1, ()))
  at = linear.at(jax.tree.map(to_single, params))
  rng = np.random.default_rng(0)
  v = rng.normal(size=sum(leaf.size for leaf in jax.tree.leaves(params)))
  u = rng.normal(size=64)
  found = {}
  for name in ("float32", "bfloat16"):
    with precision.matmuls(name):

      @jax.jit
      def maps(at, batch):
        prepared = linear.prepare(at, batch)
        stored = prepared.terms[0].e
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
  eta, _, positive, _ = jax.jit(linear.residual)(params, batch)
  assert (~positive).any() and positive.any() and (eta < 0).any()
  flat, unravel = ravel_pytree(params)

  @jax.jit
  def gradients(u):
    at = linear.at(params)
    pull = jax.vjp(lambda p: linear.residual(unravel(p), batch).value, flat)[1]
    directions = jax.vmap(lambda unit: linear.unfold(at, unit))(jnp.eye(flat.size))
    return linear.transpose(at, linear.prepare(at, batch), u), directions @ pull(u)[0]

  # Where g is indefinite alone, and everywhere.
  for u in (jnp.where(positive, 0.0, 1.0), jnp.ones_like(eta)):
    found, expected = gradients(u)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())
