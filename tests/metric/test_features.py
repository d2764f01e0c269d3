"""What is computed once at fixed points gives what is computed anew at every step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.optimizers import problems
from trainer.devices import parallel
from trainer.metric.features import Features
from trainer.points import dataset as data
from trainer.points.segments import Segments

_MEMORY = 2**26


def _setting(data_dir, devices=1, kind="invariant"):
  linear, params, ansatz = problems.linearisation(kind)
  mesh = parallel.make_mesh(jax.devices()[:devices])
  batch = jax.device_put(problems.points(data_dir, 64), parallel.sharded(mesh))
  return linear, params, ansatz, mesh, batch


@pytest.mark.parametrize("devices", [1, 4])
def test_metric_and_derivatives_are_those_without(data_dir, devices):
  linear, params, ansatz, mesh, batch = _setting(data_dir, devices)
  extended = Features(ansatz, params["network"], mesh, _MEMORY)(batch)
  (unknowns,) = jax.tree.leaves(params["network"])
  assert extended.features.shape == (64, 4, unknowns.size)
  assert len(extended.features.sharding.device_set) == devices

  def everything(batch):
    eta, positive = linear.eta(params, batch)
    return ansatz.metric(params["network"], batch), eta, positive, linear.prepare(params, batch)

  with_features, without = jax.jit(everything)(extended), jax.jit(everything)(batch)
  for a, b in zip(with_features, without, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("devices", [1, 4])
def test_a_sum_keeps_the_metric_it_corrects(data_dir, devices):
  linear, params, ansatz, mesh, batch = _setting(data_dir, devices, "sum")
  extended = Features(ansatz, params["network"], mesh, _MEMORY)(batch)
  base = ansatz.base.metric(params["network"]["base"], batch)
  np.testing.assert_allclose(extended.base, base.T, rtol=1e-12, atol=1e-13)
  assert (
    extended.features.shape == (64, 4, 9 + 4) and len(extended.base.sharding.device_set) == devices
  )

  def everything(batch):
    return (
      ansatz.metric(params["network"], batch),
      linear.eta(params, batch)[0],
      linear.prepare(params, batch),
    )

  with_features, without = jax.jit(everything)(extended), jax.jit(everything)(batch)
  for a, b in zip(with_features, without, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
  assert np.abs(with_features[0] - base).max() > 1e-3


def test_what_does_not_fit_or_has_no_features_is_left_alone(data_dir):
  _, params, ansatz, mesh, batch = _setting(data_dir)
  size = 64 * 4 * jax.eval_shape(ansatz.invariant.rows, batch).shape[2] * 8
  assert Features(ansatz, params["network"], mesh, size - 1)(batch) is batch
  assert Features(ansatz, params["network"], mesh, size)(batch).features is not None
  _, params, other = problems.linearisation("network")
  assert Features(other, params["network"], mesh, _MEMORY)(batch) is batch


def test_features_are_computed_for_every_segment(data_dir):
  """Each point's features stay with it through shuffles and segments."""
  _, params, ansatz, mesh, _ = _setting(data_dir, 4)
  source = data.Source(problems.variety(), "train", 0, data_dir, mesh, jnp.float64)
  segments = Segments(
    source,
    num_points=64,
    resident_points=32,
    stream=False,
    batch_size=8,
    mode="shard_map",
    extend=Features(ansatz, params["network"], mesh, _MEMORY),
  )
  for index in (0, 1, 2):
    segment = segments(index)
    rows = jax.vmap(ansatz.invariant.rows)(segment._replace(features=None))
    np.testing.assert_allclose(segment.features, rows, rtol=1e-12, atol=1e-13)
  segments.close()
