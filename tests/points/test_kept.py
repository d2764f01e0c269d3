"""What is computed once at fixed points gives what is computed anew at every step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.optimizers import problems
from trainer.devices import parallel
from trainer.points import dataset
from trainer.points.kept import Kept
from trainer.points.segments import Segments

_MEMORY = 2**26


def _setting(data_dir, devices=1, kind="invariant"):
  linear, params, problem = problems.linearisation(kind)
  mesh = parallel.make_mesh(jax.devices()[:devices])
  batch = jax.device_put(problems.points(data_dir, 64), parallel.sharded(mesh))
  return linear, params, problem, mesh, batch


@pytest.mark.parametrize("devices", [1, 4])
def test_metric_and_derivatives_are_those_without(data_dir, devices):
  linear, params, problem, mesh, batch = _setting(data_dir, devices)
  extended = Kept(problem.keep, params, mesh, _MEMORY)(batch)
  (unknowns,) = jax.tree.leaves(params["network"])
  assert extended.fixed["rows"].shape == (64, 4, unknowns.size)
  assert len(extended.fixed["rows"].sharding.device_set) == devices

  def everything(batch):
    eta, _, positive, _ = linear.residual(params, batch)
    metric = problem.ansatz.metric(params["network"], batch)
    return metric, eta, positive, linear.prepare(params, batch)

  with_features, without = jax.jit(everything)(extended), jax.jit(everything)(batch)
  for a, b in zip(with_features, without, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_a_sum_keeps_the_metric_it_corrects(data_dir):
  devices = 4
  linear, params, problem, mesh, batch = _setting(data_dir, devices, "sum")
  extended = Kept(problem.keep, params, mesh, _MEMORY)(batch)
  base = jax.jit(problem.ansatz.below.metric)(params["network"]["base"], batch)
  np.testing.assert_allclose(extended.fixed["base"], base.T, rtol=1e-12, atol=1e-13)
  assert extended.fixed["features"].shape == (64, 4, 9 + 4)
  assert len(extended.fixed["base"].sharding.device_set) == devices

  def everything(batch):
    return (
      problem.ansatz.metric(params["network"], batch),
      linear.residual(params, batch).value,
      linear.prepare(params, batch),
    )

  with_features, without = jax.jit(everything)(extended), jax.jit(everything)(batch)
  for a, b in zip(with_features, without, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
  assert np.abs(with_features[0] - base).max() > 1e-3


def test_what_does_not_fit_or_has_no_features_is_left_alone(data_dir):
  _, params, problem, mesh, batch = _setting(data_dir)
  size = 64 * 4 * jax.eval_shape(problem.keep, params, batch)["rows"].shape[2] * 8
  assert Kept(problem.keep, params, mesh, size - 1)(batch) is batch
  assert Kept(problem.keep, params, mesh, size)(batch).fixed["rows"] is not None
  _, params, other = problems.linearisation("network")
  assert Kept(other.keep, params, mesh, _MEMORY)(batch) is batch


def test_features_are_computed_for_every_segment(data_dir):
  """Each point's features stay with it through shuffles and segments."""
  _, params, problem, mesh, _ = _setting(data_dir, 4)
  source = dataset.of_variety(problems.variety(), "train", 0, data_dir, mesh, jnp.float64)
  segments = Segments(
    source,
    num_points=64,
    resident_points=32,
    stream=False,
    batch_size=8,
    mode="shard_map",
    extend=Kept(problem.keep, params, mesh, _MEMORY),
  )
  for index in (0, 1, 2):
    segment = segments(index)
    rows = jax.vmap(lambda batch: problem.keep(params, batch)["rows"])(segment._replace(fixed={}))
    np.testing.assert_allclose(segment.fixed["rows"], rows, rtol=1e-12, atol=1e-13)
  segments.close()
