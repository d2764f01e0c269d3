"""The metric of every network differentiates like any JAX function, to any order."""

import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic, k3_quartic
from trainer.geometry import description
from trainer.sampling.sampler import Sampler
from trainer.use.chart import make_chart
from trainer.use.fields import Fields
from trainer.use.metric import Metric

_CUBIC = description.make_variety(fermat_cubic.get_config())
_SUM = "algebraic(degree=1) + phi_mlp(widths=(4,))"
_NETWORKS = (
  "phi_mlp(widths=(5, 4), activation='gelu')",
  "curvature_mlp(widths=(4,))",
  "algebraic(degree=2)",
  "low_rank(degree=2, rank=3)",
  _SUM,
)
_ALONG, _STEP = np.array([0.6, -0.8]), 1e-4


def _point(variety, seed=3):
  key = jax.random.key(seed, impl="threefry2x32")
  return jnp.asarray(Sampler(variety).block(key, 0).z[0])


def _bent(params):
  """Parameters of no special kind."""
  rng = np.random.default_rng(0)
  return jax.tree.map(lambda a: a + 0.1 * rng.normal(size=a.shape), params)


@pytest.fixture(scope="module")
def point():
  return _point(_CUBIC)


def _setting(network, point):
  fields = Fields(_CUBIC, network)
  params = _bent(fields.ansatz.init(jax.random.key(0)))
  chart = make_chart(fields, params, point)
  return fields, params, chart, lambda u: chart.metric(u)[0, 0].real


@pytest.mark.parametrize("network", _NETWORKS)
def test_a_metric_is_d_dbar_of_its_potential_and_has_derivatives(network, point):
  """Backwards, forwards, and forwards over one of them in the potential."""
  _, _, chart, volume = _setting(network, point)
  direction = (jnp.asarray(_ALONG),)
  forwards = lambda u: jax.jvp(volume, (u,), direction)
  backwards = jax.value_and_grad(volume)
  # Forwards over backwards takes a minute to compile for the longest of them.
  inner = forwards if "curvature" in network else backwards
  (value, slope), (_, bent) = jax.jit(lambda u: jax.jvp(inner, (u,), direction))(chart.u)
  other = jax.jit(backwards if inner is forwards else forwards)(chart.u)
  np.testing.assert_allclose(other[0], value, rtol=1e-12)
  along = slope if inner is forwards else other[1]
  gradient = other[1] if inner is forwards else slope
  np.testing.assert_allclose(gradient @ _ALONG, along, rtol=1e-10)
  laplacian = jax.jit(lambda u: jnp.trace(jax.hessian(chart.potential)(u)))(chart.u)
  np.testing.assert_allclose(laplacian / 4, value, rtol=1e-9)
  ahead, here, back = (float(volume(chart.u + h * _STEP * _ALONG)) for h in (1, 0, -1))
  np.testing.assert_allclose(along, (ahead - back) / (2 * _STEP), rtol=1e-5, atol=1e-7)
  second = (ahead - 2 * here + back) / _STEP**2
  np.testing.assert_allclose(
    bent if inner is forwards else bent @ _ALONG, second, rtol=1e-3, atol=1e-5
  )


def test_a_metric_is_a_function_of_points(point):
  fields, params, chart, _ = _setting(_SUM, point)
  metric = jax.tree_util.Partial(Metric(fields), params)
  np.testing.assert_allclose(metric(point), chart.metric(chart.u), rtol=1e-10)
  x = jnp.concatenate([point.real, point.imag])
  batched = jax.jit(jax.vmap(jax.jacfwd(metric)))(jnp.stack([x, x]))
  assert batched.shape == (2, 1, 1, 6)
  # A rescaling changes nothing, coordinates are ratios.
  np.testing.assert_allclose(batched[1, 0, 0] @ x, 0, atol=1e-9)
  again = pickle.loads(pickle.dumps(metric))
  np.testing.assert_array_equal(again(x), metric(x))
  np.testing.assert_allclose(metric(x.astype(jnp.float32)), metric(x), rtol=1e-4)
  assert metric(x.astype(jnp.float32)).dtype == jnp.complex64


def test_shares_of_a_correction_have_shares_of_its_potential(point):
  whole = Fields(_CUBIC, _SUM)
  params = _bent(whole.ansatz.init(jax.random.key(0)))
  values = [
    dataclasses.replace(whole, share=share).potential(params, point) for share in (0.0, 0.25, 1.0)
  ]
  below = Fields(_CUBIC, "algebraic(degree=1)").potential(params["base"], point)
  np.testing.assert_allclose(values[0], below, rtol=1e-12)
  np.testing.assert_allclose(values[1], 0.75 * values[0] + 0.25 * values[2], rtol=1e-12)


def test_what_is_equal_compiles_once(point):
  traces = []

  @jax.jit
  def counted(metric, x):
    traces.append(x)
    return metric(x)

  params = Fields(_CUBIC, "algebraic(degree=2)").ansatz.init(jax.random.key(0))
  for _ in range(2):
    variety = description.make_variety(fermat_cubic.get_config())
    metric = jax.tree_util.Partial(Metric(Fields(variety, "algebraic(degree=2)")), params)
    counted(metric, point)
  assert len(traces) == 1


def test_a_run_first_read_under_trace_keeps_nothing_of_the_trace():
  """The ansatz is kept for all equal fields, whoever asked first."""
  fields = Fields(_CUBIC, "phi_mlp(widths=(6,))")
  jax.jit(lambda x: (fields.ansatz, x)[1])(1.0)
  fields.ansatz.init(jax.random.key(0))


def test_two_charts_see_one_metric():
  """At a point that lies in both, with coordinates eliminated and patches that differ."""
  variety = description.make_variety(k3_quartic.get_config())
  fields = Fields(variety, "algebraic(degree=1)")
  params = _bent(fields.ansatz.init(jax.random.key(1)))
  z = _point(variety)
  rng = np.random.default_rng(4)
  chart = make_chart(fields, params, z)
  others = (make_chart(fields, params, _point(variety, seed)) for seed in range(20))
  other = next(o for o in others if not np.array_equal(o.masks.kept, chart.masks.kept))
  # The other chart's own branch need not hold this point: it is moved there.
  scaled = z / (z @ (1 - other.masks.kept.sum(0) - other.masks.eliminated.sum(0)))
  other = dataclasses.replace(other, origin=scaled)
  expected = other.metric(other.u)
  np.testing.assert_allclose(chart.to(other, chart.metric(chart.u)), expected, rtol=1e-9)
  np.testing.assert_allclose(
    other.to(chart, chart.to(other, chart.metric(chart.u))), chart.metric(chart.u), rtol=1e-9
  )
  vector = rng.normal(size=2) + 1j * rng.normal(size=2)
  length = vector @ chart.metric(chart.u) @ vector.conj()
  moved = chart.to(other, vector, "H")
  np.testing.assert_allclose(moved @ expected @ moved.conj(), length, rtol=1e-9)
