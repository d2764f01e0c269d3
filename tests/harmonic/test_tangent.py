"""Parameters of a network along the Kaehler cone: they leave no first order."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer import default_config, variety
from trainer.devices import microbatch, parallel
from trainer.errors import UserError
from trainer.geometry.description import make_variety
from trainer.harmonic import tangent
from trainer.metric.problem import MetricProblem
from trainer.optimizers import gauss_newton, solvers
from trainer.optimizers.state import new_state
from trainer.points import dataset

# Fewer than parameters; of t_1 = 1.
_POINTS, _WAY = 40, 0.02


def _curve(moduli=(1.0, 2.0)):
  config = default_config()
  config.variety = variety((1, 1), ((2,), (2,)), moduli=moduli)
  return make_variety(config)


def _make(variety, network="phi_mlp(widths=(8, 8))"):
  return MetricProblem(variety, network)


def _points(data_dir, devices):
  mesh = parallel.make_mesh(jax.devices()[:devices])
  source = _make(_curve()).source("train", 0, data_dir, mesh, np.dtype(float))
  return mesh, dataset.load(source, _POINTS)


@pytest.fixture(scope="module")
def trained(data_dir):
  """Parameters for which eta is 1 at all points."""
  mesh, points = _points(data_dir, 1)
  problem = _make(_curve())
  linear, plan = problem.linearise(), microbatch.Plan(_POINTS, _POINTS, 0, 0)
  solver = solvers.make_solver("sample_space", linear, plan, 0, 0.0)
  step = gauss_newton.make_gauss_newton_step(linear, solver, plan, 1e-12)
  step = parallel.compile_step(step, mesh, "shard_map")
  params = problem.init(jax.random.key(0), 1.0)
  state = new_state(jnp.int32(0), params, gauss_newton.init(params, 1e-2))
  state, epoch = parallel.replicate(mesh, state), jax.tree.map(lambda a: a[None], points.batch)
  for _ in range(25):
    state, row = step(state, epoch)
  assert row["loss"] < 1e-12
  return jax.tree.map(np.asarray, state.params)


def _eta(moduli, params, points):
  """eta at mean 1."""
  problem = _make(_curve(moduli))
  eta = np.asarray(problem.residual(params, tangent._moved(problem.variety, points.batch)).value)
  return eta / np.average(eta, weights=np.asarray(points.batch.weight))


@pytest.fixture(scope="module")
def found(trained, data_dir):
  """The derivative along a direction, on one device and on four."""
  both = []
  for devices in (1, 4):
    mesh, points = _points(data_dir, devices)
    direction = np.array([_WAY, 0.0])
    both.append(tangent.along(_make, _curve(), trained, direction, points, points, mesh, 2**28))
  return both


def test_the_square_of_the_way_is_left(trained, found, data_dir):
  points, found = _points(data_dir, 1)[1], found[0]
  before, weight = _eta((1.0, 2.0), trained, points), np.asarray(points.batch.weight)

  def off(ways):
    moved = jax.tree.map(lambda a, b: a + ways * b, trained, found.params)
    changes = [_eta((1 + ways * _WAY, 2.0), params, points) - before for params in (trained, moved)]
    return [np.average(change**2, weights=weight) ** 0.5 for change in changes]

  unchanged, moved = off(1)
  np.testing.assert_allclose((unchanged, moved), (found.unchanged, found.moved), rtol=1e-6)
  assert moved < 0.05 * unchanged
  unchanged_twice, moved_twice = off(2)
  assert 1.9 < unchanged_twice / unchanged < 2.1
  assert 3.6 < moved_twice / moved < 4.4


def test_it_does_not_depend_on_the_number_of_devices(found):
  one, four = (jax.tree.leaves(tuple(each)) for each in found)
  for a, b in zip(one, four, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_where_parameters_mean_something_else_they_do_not_follow():
  algebraic = lambda variety: _make(variety, "algebraic(degree=1)")
  with pytest.raises(UserError, match=r"sections of algebraic.* are others at .*\(1.1, 2.0\)"):
    tangent.at_moduli(algebraic, _curve(), (1.1, 2.0))
  with pytest.raises(UserError, match="one number for each"):
    tangent.at_moduli(_make, _curve(), (1.0,))
  with pytest.raises(UserError, match="must be > 0"):
    tangent.at_moduli(_make, _curve(), (-1.0, 2.0))
  # Between the same corners they do.
  curve = _curve((1.1, 2.0))
  there = tangent.at_moduli(algebraic, curve, (1.2, 2.0))
  assert dataclasses.replace(curve, moduli=(1.2, 2.0)) == there.variety
