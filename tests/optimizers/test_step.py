"""One training step: its gradient on several devices, first non-finite loss, single trace."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import fermat_cubic
from trainer.curvature import tensors
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import description
from trainer.metric.losses import Tensors, make_loss, monge_ampere, ricci
from trainer.metric.problem import MetricProblem
from trainer.optimizers.first_order import make_optimizer
from trainer.optimizers.first_order_step import make_step, plan_memory
from trainer.optimizers.state import TrainState, new_state, skipped
from trainer.points import dataset


@pytest.fixture(scope="module")
def setting(data_dir):
  variety = description.make_variety(fermat_cubic.get_config())
  mesh = parallel.make_mesh()
  points = dataset.load(dataset.of_variety(variety, "train", 0, data_dir, mesh, jnp.float64), 64)
  make = lambda *loss: MetricProblem(variety, "phi_mlp(widths=(4,))", *loss)
  epoch = jax.tree.map(lambda a: a.reshape(2, 32, *a.shape[1:]), points.batch)
  return mesh, make, epoch


def _state(problem, optimizer):
  params = problem.init(jax.random.key(0), problem.volume)
  params = params | {"log_kappa": jnp.asarray(-0.3)}
  return new_state(jnp.int32(0), params, optimizer.init(params))


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("power", [1, 2])
def test_a_step_follows_the_gradient_of_the_whole_batch(setting, mode, power):
  """The gradient trap: summed once too often, the step would be 4 times as long."""
  mesh, make, epoch = setting
  problem, optimizer = make(monge_ampere, power), optax.sgd(0.1)
  state = _state(problem, optimizer)

  def loss(params, batch):
    value = Tensors(problem.ansatz, params, batch).eta
    return jnp.sum(batch.weight * jnp.abs(1 - value) ** power) / jnp.sum(batch.weight)

  first, second = (jax.tree.map(lambda a: jnp.asarray(np.asarray(a)[i]), epoch) for i in (0, 1))
  gradient_of = jax.jit(jax.value_and_grad(loss))
  value, gradient = gradient_of(state.params, first)
  expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, gradient)
  step = parallel.compile_step(make_step(problem, optimizer), mesh, mode)
  laid_out = parallel.lay_out_epoch(jax.device_put(epoch, parallel.sharded(mesh, 1)), mesh, mode)
  state, metrics = step(parallel.replicate(mesh, state), laid_out)
  assert float(metrics["loss"]) == pytest.approx(float(value), rel=1e-12)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14), state.params, expected
  )
  second_value = float(gradient_of(state.params, second)[0])
  state, metrics = step(state, laid_out)
  assert float(metrics["loss"]) == pytest.approx(second_value, rel=1e-12)
  assert int(state.step) == 2 and int(state.nonfinite_step) == -1


def test_a_step_whose_loss_is_not_finite_leads_nowhere_and_is_counted(setting):
  """The second of two batches has a point that is no number; the step after it is as usual."""
  mesh, make, epoch = setting
  optimizer = optax.adam(0.1)
  weight = epoch.weight.at[1, 3].set(jnp.nan)
  step = parallel.compile_step(make_step(make(), optimizer), mesh, "shard_map")
  epoch = jax.device_put(epoch._replace(weight=weight), parallel.sharded(mesh, 1))
  state = parallel.replicate(mesh, _state(make(), optimizer))
  rows = []
  for index in range(3):
    # Once compiled a step gets nothing from the host.
    with jax.transfer_guard("disallow" if index else "allow"):
      state, _ = step(state, epoch)
    rows.append(jax.device_get(state))
  assert [int(row.nonfinite_step) for row in rows] == [-1, 2, -1]
  assert [skipped(row) for row in rows] == [0, 1, 0]
  assert [int(row.step) for row in rows] == [1, 2, 3]
  jax.tree.map(np.testing.assert_array_equal, rows[1].params, rows[0].params)
  jax.tree.map(np.testing.assert_array_equal, rows[1].optimizer, rows[0].optimizer)
  assert np.isfinite(rows[2].params["log_kappa"]) and int(rows[2].optimizer[0].count) == 2


def test_a_second_trace_is_refused(setting):
  mesh, make, epoch = setting
  optimizer = optax.sgd(0.1)
  step = parallel.compile_step(make_step(make(), optimizer), mesh, "shard_map")
  state = parallel.replicate(mesh, _state(make(), optimizer))
  epoch = jax.device_put(epoch, parallel.sharded(mesh, 1))
  state, _ = step(state, epoch)
  assert isinstance(state, TrainState)
  with pytest.raises(AssertionError, match="traced again"):
    step(state, jax.tree.map(lambda a: a[:1], epoch))


@pytest.mark.parametrize("power, expected", [(1, 6.0 / 7.0), (2, 9.0 / 7.0)])
@pytest.mark.parametrize(
  "loss, tensors",
  [
    (monge_ampere, SimpleNamespace(eta=jnp.array([1.0, 3.0, 0.5]))),
    (ricci, SimpleNamespace(ricci_scalar=jnp.array([-2.0, 1.0, 0.5]))),
  ],
)
def test_losses_by_hand(loss, tensors, power, expected):
  """Weights 1, 2, 4; of ricci, whose first value is -2, the squares sum to 7."""
  value, target = loss(tensors)
  weight = jnp.array([1.0, 2.0, 4.0])
  mean = jnp.sum(weight * jnp.abs(value - target) ** power) / weight.sum()
  assert float(mean) == pytest.approx(1.0 if (loss, power) == (ricci, 2) else expected)


@pytest.mark.parametrize("arguments", [("monge", 2), ("ricci", 3)])
def test_unknown_losses_are_refused(arguments):
  with pytest.raises(UserError, match="unknown loss|must be 1 or 2"):
    make_loss(*arguments)


@pytest.mark.parametrize("name", ["monge_ampere", "ricci"])
def test_microbatches_change_nothing(setting, name):
  """A memory budget that forces parts of 2 points gives the step of the whole batch."""
  _, make, epoch = setting
  mesh = parallel.make_mesh(jax.devices()[:1])
  problem, optimizer = make(*make_loss(name, 2)), optax.sgd(0.1)
  state = _state(problem, optimizer)
  params = jax.tree.map(lambda a: a + 0.1, state.params)
  batch = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), epoch)
  whole = plan_memory(problem, params, batch, 2**30)
  parts = plan_memory(problem, params, batch, 2 * whole.bytes_per_point)
  assert (whole.num_chunks, parts.num_chunks) == (1, 16)
  results = []
  for plan in (None, whole, parts):
    step = parallel.compile_step(make_step(problem, optimizer, plan), mesh, "shard_map")
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
  _, make, epoch = setting
  batch = jax.tree.map(lambda a: jnp.asarray(np.asarray(a)[0, :6]), epoch)
  ansatz = make().ansatz
  params = jax.tree.map(lambda a: a + 0.1, _state(make(), optax.sgd(0.1)).params)

  @jax.jit
  def both(params, batch):
    with_curvature, without = (Tensors(ansatz, params, batch) for _ in range(2))
    scalar, eta = with_curvature.ricci_scalar, without.eta
    # The metric came of the jet of the potential here, and of the ansatz there.
    assert "potential" in vars(with_curvature) and "potential" not in vars(without)
    expected = tensors.scalar(ansatz.potential(params["network"], batch))
    return with_curvature.eta, eta, scalar, expected

  eta, expected_eta, scalar, expected = both(params, batch)
  np.testing.assert_allclose(eta, expected_eta, rtol=1e-12)
  np.testing.assert_allclose(scalar, expected, rtol=1e-13)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_lbfgs_takes_the_same_steps_on_any_number_of_devices(setting, mode):
  _, make, epoch = setting
  histories = []
  for devices in (1, 4):
    mesh = parallel.make_mesh(jax.devices()[:devices])
    optimizer = make_optimizer("lbfgs", 1.0, 0, 1.0, 10)
    step = parallel.compile_step(make_step(make(), optimizer), mesh, mode)
    state = parallel.replicate(mesh, _state(make(), optimizer))
    rows = jax.tree.map(lambda a: np.asarray(a)[:1], epoch)
    laid_out = parallel.lay_out_epoch(jax.device_put(rows, parallel.sharded(mesh, 1)), mesh, mode)
    losses = []
    for _ in range(6):
      state, metrics = step(state, laid_out)
      losses.append(float(metrics["loss"]))
    histories.append(losses)
  np.testing.assert_allclose(*histories, rtol=1e-8)
  assert histories[0][-1] < 0.3 * histories[0][0]
