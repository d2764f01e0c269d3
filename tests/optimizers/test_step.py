"""One training step: its gradient on several devices, its first non-finite loss, its single trace."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import fermat_cubic
from trainer.curvature import tensors
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.metric.ansatz import make_ansatz
from trainer.metric.losses import Tensors, make_loss, monge_ampere, ricci
from trainer.optimizers.first_order import make_optimizer
from trainer.optimizers.first_order_step import (
  TrainState,
  init_state,
  make_step,
  plan_memory,
  point_tensors,
)
from trainer.points import dataset as data
from trainer.run import config as configs


@pytest.fixture(scope="module")
def setting(data_dir):
  variety = configs.make_variety(fermat_cubic.get_config())
  mesh = parallel.make_mesh()
  points = data.load(data.Source(variety, "train", 0, data_dir, mesh, jnp.float64), 64)
  ansatz = make_ansatz(variety, "phi_mlp(widths=(4,))")
  epoch = jax.tree.map(lambda a: a.reshape(2, 32, *a.shape[1:]), points.batch)
  return mesh, ansatz, epoch


def _state(ansatz, optimizer):
  return init_state(ansatz, optimizer, jax.random.key(0), -0.3, jnp.float64)


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("power", [1, 2])
def test_a_step_follows_the_gradient_of_the_whole_batch(setting, mode, power):
  """The gradient trap: summed once too often, the step would be 4 times as long."""
  mesh, ansatz, epoch = setting
  optimizer = optax.sgd(0.1)
  state = _state(ansatz, optimizer)

  def loss(params, batch):
    value = point_tensors(ansatz, params, batch, False).eta
    return jnp.sum(batch.weight * jnp.abs(1 - value) ** power) / jnp.sum(batch.weight)

  first, second = (jax.tree.map(lambda a: jnp.asarray(np.asarray(a)[i]), epoch) for i in (0, 1))
  value, gradient = jax.value_and_grad(loss)(state.params, first)
  expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, gradient)
  step = parallel.compile_step(make_step(ansatz, monge_ampere(power), optimizer), mesh, mode)
  laid_out = parallel.lay_out_epoch(jax.device_put(epoch, parallel.sharded(mesh, 1)), mesh, mode)
  state, metrics = step(parallel.replicate(mesh, state), laid_out)
  assert float(metrics["loss"]) == pytest.approx(float(value), rel=1e-12)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14), state.params, expected
  )
  second_value = float(loss(state.params, second))
  state, metrics = step(state, laid_out)
  assert float(metrics["loss"]) == pytest.approx(second_value, rel=1e-12)
  assert int(state.step) == 2 and int(state.nonfinite_step) == -1


def test_the_first_non_finite_step_is_remembered(setting):
  mesh, ansatz, epoch = setting
  optimizer = optax.sgd(0.1)
  state = _state(ansatz, optimizer)
  state = state._replace(params=state.params | {"log_kappa": jnp.asarray(jnp.nan)})
  step = parallel.compile_step(make_step(ansatz, monge_ampere(2), optimizer), mesh, "shard_map")
  state = parallel.replicate(mesh, state._replace(step=jnp.int32(6)))
  epoch = jax.device_put(epoch, parallel.sharded(mesh, 1))
  for _ in range(3):
    state, _ = step(state, epoch)
  assert int(state.nonfinite_step) == 7


def test_a_second_trace_is_refused(setting):
  mesh, ansatz, epoch = setting
  optimizer = optax.sgd(0.1)
  step = parallel.compile_step(make_step(ansatz, monge_ampere(2), optimizer), mesh, "shard_map")
  state = parallel.replicate(mesh, _state(ansatz, optimizer))
  epoch = jax.device_put(epoch, parallel.sharded(mesh, 1))
  state, _ = step(state, epoch)
  assert isinstance(state, TrainState)
  with pytest.raises(AssertionError, match="traced again"):
    step(state, jax.tree.map(lambda a: a[:1], epoch))


def test_monge_ampere_sums_by_hand():
  values, weight = Tensors(jnp.array([1.0, 3.0, 0.5]), None), jnp.array([1.0, 2.0, 4.0])
  assert [float(a) for a in monge_ampere(1).sums(values, weight)] == [6.0, 7.0]
  assert [float(a) for a in monge_ampere(2).sums(values, weight)] == [9.0, 7.0]


def test_ricci_sums_by_hand():
  values = Tensors(jnp.ones(3), jnp.array([-2.0, 1.0, 0.5]))
  weight = jnp.array([1.0, 2.0, 4.0])
  assert [float(a) for a in ricci(1).sums(values, weight)] == [6.0, 7.0]
  assert [float(a) for a in ricci(2).sums(values, weight)] == [7.0, 7.0]


@pytest.mark.parametrize("arguments", [("monge", 2), ("ricci", 3)])
def test_unknown_losses_are_refused(arguments):
  with pytest.raises(UserError, match="unknown loss|must be 1 or 2"):
    make_loss(*arguments)


@pytest.mark.parametrize("name", ["monge_ampere", "ricci"])
def test_microbatches_change_nothing(setting, name):
  """A memory budget that forces parts of 2 points gives the step of the whole batch."""
  _, ansatz, epoch = setting
  mesh = parallel.make_mesh(jax.devices()[:1])
  optimizer, loss = optax.sgd(0.1), make_loss(name, 2)
  state = _state(ansatz, optimizer)
  params = jax.tree.map(lambda a: a + 0.1, state.params)
  batch = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), epoch)
  whole = plan_memory(ansatz, loss, params, batch, 2**30)
  parts = plan_memory(ansatz, loss, params, batch, 2 * whole.bytes_per_point)
  assert (whole.num_chunks, parts.num_chunks) == (1, 16)
  results = []
  for plan in (None, whole, parts):
    step = parallel.compile_step(make_step(ansatz, loss, optimizer, plan), mesh, "shard_map")
    results.append(
      step(
        parallel.replicate(mesh, state._replace(params=params)),
        jax.device_put(jax.tree.map(np.asarray, epoch), parallel.sharded(mesh, 1)),
      )
    )
  for other in results[1:]:
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), other, results[0]
    )


def test_the_metric_of_both_paths_to_eta_is_one(setting):
  _, ansatz, epoch = setting
  batch = jax.tree.map(lambda a: jnp.asarray(np.asarray(a)[0, :6]), epoch)
  params = jax.tree.map(lambda a: a + 0.1, _state(ansatz, optax.sgd(0.1)).params)
  with_curvature = point_tensors(ansatz, params, batch, True)
  without = point_tensors(ansatz, params, batch, False)
  np.testing.assert_allclose(with_curvature.eta, without.eta, rtol=1e-12)
  np.testing.assert_array_equal(
    with_curvature.ricci_scalar, tensors.scalar(ansatz.potential(params["network"], batch))
  )
  assert without.ricci_scalar is None


@pytest.mark.parametrize("mode", parallel.MODES)
def test_lbfgs_takes_the_same_steps_on_any_number_of_devices(setting, mode):
  _, ansatz, epoch = setting
  histories = []
  for devices in (1, 4):
    mesh = parallel.make_mesh(jax.devices()[:devices])
    optimizer = make_optimizer("lbfgs", 1.0, 0, 1.0, 10)
    step = parallel.compile_step(make_step(ansatz, monge_ampere(2), optimizer), mesh, mode)
    state = parallel.replicate(mesh, _state(ansatz, optimizer))
    rows = jax.tree.map(lambda a: np.asarray(a)[:1], epoch)
    laid_out = parallel.lay_out_epoch(jax.device_put(rows, parallel.sharded(mesh, 1)), mesh, mode)
    losses = []
    for _ in range(6):
      state, metrics = step(state, laid_out)
      losses.append(float(metrics["loss"]))
    histories.append(losses)
  np.testing.assert_allclose(*histories, rtol=1e-8)
  assert histories[0][-1] < 0.3 * histories[0][0]
