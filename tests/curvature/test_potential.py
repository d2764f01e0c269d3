"""The potential's jet on varieties: closed forms against nested autodiff, coordinate changes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import jets22, phi
from tests.geometry import varieties
from tests.networks import reference
from trainer.curvature import fubini_study as fubini_study_jets
from trainer.curvature import local, potential, tensors, wirtinger
from trainer.geometry import fubini_study, members, patches
from trainer.geometry.variety import Variety


def _geometry(variety, count):
  """Points x (count, 2N), pullbacks (count, n, N), and eliminated masks (count, K, N)."""
  z = jnp.asarray(varieties.some_points(variety, count))

  @jax.jit
  @jax.vmap
  def geometry(z):
    chart = patches.choose_chart(variety, z)
    return patches.pullback(variety, z, chart), chart.eliminated

  pullback, eliminated = geometry(z)
  return jnp.concatenate([z.real, z.imag], axis=1), pullback, eliminated


def _complex(x):
  return jax.lax.complex(*jnp.split(x, 2))


@pytest.mark.parametrize("name", ["quartic", "cubic_pair", "bicubic"])
def test_second_derivatives_keep_the_polynomials_at_zero(name):
  """Q(z + J x + z_ac x x / 2) = O(x^3), and the derivative of the pullback is z_ac in the chart."""
  variety = varieties.sparse_variety(name)
  x, pullback, eliminated = _geometry(variety, 2)
  n = variety.dimension
  pairs = [(a, c) for a in range(n) for c in range(a, n)]

  @jax.jit
  @jax.vmap
  def residuals(x, pullback, eliminated):
    z = _complex(x)

    def remainder(complement):
      second = local.second_derivatives(variety, z, pullback, complement)

      def q(w):
        quadratic = jnp.stack([(0.5 if a == c else 1.0) * w[a] * w[c] for a, c in pairs])
        point = z + w @ pullback + quadratic @ second
        return jnp.stack([p(point) for p in variety.polynomials])

      derivative = functools.partial(jax.jacfwd, holomorphic=True)
      return second, derivative(derivative(q))(jnp.zeros(n, complex))

    second, in_chart = remainder(eliminated)
    _, normal = remainder(local.normal_complement(variety, z))
    return second, in_chart, normal

  second, in_chart, normal = residuals(x, pullback, eliminated)
  scale = np.abs(second).max()
  assert scale > 0.1
  np.testing.assert_allclose(in_chart, 0, atol=1e-12 * max(1, scale))
  np.testing.assert_allclose(normal, 0, atol=1e-12 * max(1, scale))
  # In the chart only eliminated coordinates are curved.
  flat = np.asarray(second) * (1 - np.asarray(eliminated).sum(axis=1))[:, None]
  np.testing.assert_array_equal(flat, 0)


def _two_factors():
  """An elliptic curve in P^1 x P^1, with unequal moduli."""
  rng = np.random.default_rng(0)
  return Variety((1, 1), (members.random_polynomial((1, 1), (2, 2), rng),), (1.0, 1.5))


def _network(variety, widths):
  apply, params, _, _ = reference.network(
    lambda x: 0.01 * phi.PhiMLP(ambient=variety.ambient, widths=widths)(x), variety.ambient, 1
  )
  return apply, params


def test_equals_nested_autodiff_of_the_whole_potential():
  """Fubini-Study included, straight from its definition."""
  variety = _two_factors()
  x, pullback, _ = _geometry(variety, 1)
  network = functools.partial(*_network(variety, (3,)))

  @jax.jit
  def reference_rows(x, pullback):
    z = _complex(x)
    second = local.second_derivatives(variety, z, pullback, local.normal_complement(variety, z))

    def whole(u):
      w = jax.lax.complex(u[:1], u[1:])
      point = z + w @ pullback + 0.5 * w**2 @ second
      return fubini_study.potential(variety, point) + network(
        jnp.concatenate([point.real, point.imag])
      )

    return wirtinger.mixed_rows(whole, 1, x.dtype)

  rows = jax.jit(functools.partial(potential.potential_rows, variety, network, path="jets"))(
    x, pullback
  )[:, 0]
  _assert_same_curvature(rows, reference_rows(x[0], pullback[0]))


def test_the_two_paths_agree_on_a_surface():
  variety = varieties.sparse_variety("quartic")
  x, pullback, _ = _geometry(variety, 1)
  network = functools.partial(*_network(variety, (4,)))
  jets_rows, general_rows = (
    jax.jit(functools.partial(potential.potential_rows, variety, network, path=path))(x, pullback)
    for path in ("jets", "general")
  )
  _assert_same_curvature(jets_rows, general_rows)


def _assert_same_curvature(got, expected):
  tensor_of = jax.jit(
    lambda rows: (
      tensors.metric(rows),
      tensors.riemann(rows),
      tensors.ricci(rows),
      tensors.scalar(rows),
    )
  )
  for g, e in zip(tensor_of(got), tensor_of(expected), strict=True):
    np.testing.assert_allclose(g, e, rtol=1e-9, atol=1e-10 * np.abs(e).max())


def test_curvature_does_not_depend_on_the_coordinates():
  """Fubini-Study on a surface: the chart's second derivatives give the same Riemann tensor."""
  variety = varieties.sparse_variety("quartic")
  x, pullback, eliminated = _geometry(variety, 2)

  @jax.jit
  @jax.vmap
  def riemann(x, pullback, eliminated):
    z = _complex(x)

    def of(complement):
      second = local.second_derivatives(variety, z, pullback, complement)
      return tensors.riemann(
        fubini_study_jets.potential_rows(variety, jets22.from_coordinates(x, pullback, second))
      )

    return of(eliminated), of(local.normal_complement(variety, z))

  np.testing.assert_allclose(*riemann(x, pullback, eliminated), rtol=1e-9, atol=1e-11)


def test_scalar_curvature_trains():
  """The gradient of a Ricci loss through jets, against finite differences."""
  variety = varieties.random_variety("cubic_curve")
  x, pullback, _ = _geometry(variety, 2)
  apply, params = _network(variety, (4, 3))

  @jax.jit
  def loss(params):
    rows = potential.potential_rows(variety, functools.partial(apply, params), x, pullback, "jets")
    return jnp.square(tensors.scalar(rows)).sum()

  direction = jax.tree.map(lambda p: np.random.default_rng(p.size).normal(size=p.shape), params)
  step = lambda s: jax.tree.map(lambda p, d: p + s * d, params, direction)
  numerical = (loss(step(1e-5)) - loss(step(-1e-5))) / 2e-5
  exact = jax.tree.map(jnp.vdot, jax.jit(jax.grad(loss))(params), direction)
  np.testing.assert_allclose(numerical, sum(jax.tree.leaves(exact)), rtol=1e-6)
