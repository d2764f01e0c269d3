"""Gauss-Newton steps: the same trajectory on any number of devices, acceptance, damping."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.optimizers import problems
from trainer import microbatch
from trainer import parallel
from trainer.optimizers import gauss_newton
from trainer.optimizers import solvers
from trainer.step import TrainState


def _run(kind, name, devices, steps, data_dir, mode="shard_map", damping=1e-3, params=None):
  linear, start, _ = problems.linearisation(kind)
  mesh = parallel.make_mesh(jax.devices()[:devices])
  batch = problems.points(data_dir)
  plan = microbatch.Plan(256 // devices, 16, 0, 0)
  solver = solvers.make_solver(name, linear, plan, iterations=30, tolerance=1e-3)
  step = parallel.compile_step(
      gauss_newton.make_gauss_newton_step(linear, solver, plan, 1e-9), mesh, mode)
  params = start if params is None else params
  state = TrainState(jnp.int32(0), params, gauss_newton.init(params, damping), jnp.int32(-1))
  state = parallel.replicate(mesh, state)
  epoch = jax.device_put(
      jax.tree.map(lambda a: a[None], batch), parallel.sharded(mesh, axis=1))
  epoch = parallel.lay_out_epoch(epoch, mesh, mode)
  rows = []
  for _ in range(steps):
    state, row = step(state, epoch)
    rows.append(jax.device_get(row))
  return state, rows


@pytest.mark.parametrize("kind, name", [
    ("network", "parameter_space"), ("network", "sample_space"), ("algebraic", "conjugate_gradient")])
def test_the_trajectory_does_not_depend_on_the_devices(kind, name, data_dir):
  states, histories = zip(*[_run(kind, name, devices, 10, data_dir) for devices in (1, 2, 4)])
  for state, rows in zip(states[1:], histories[1:]):
    np.testing.assert_allclose(
        [row["loss"] for row in rows], [row["loss"] for row in histories[0]], rtol=1e-8)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8),
                 state.params, states[0].params)


def test_pmap_takes_the_same_steps(data_dir):
  results = [_run("algebraic", "conjugate_gradient", 4, 3, data_dir, mode)[1]
             for mode in parallel.MODES]
  np.testing.assert_allclose(*[[row["loss"] for row in rows] for rows in results], rtol=1e-9)


def test_e_falls_by_orders_of_magnitude(data_dir):
  state, rows = _run("algebraic", "parameter_space", 4, 5, data_dir)
  losses = [rows[0]["loss_before"], *(row["loss"] for row in rows)]
  assert all(a >= b for a, b in zip(losses, losses[1:]))
  assert losses[-1] < 1e-3 * losses[0]
  assert all(row["accepted"] for row in rows[:3])
  assert float(state.optimizer.damping) < 1e-4 and int(state.optimizer.taken) == 5


def test_a_step_to_an_indefinite_metric_is_not_taken(data_dir):
  """Far from the solution the undamped step overshoots: damping rises until g stays positive."""
  linear, params, _ = problems.linearisation("algebraic")
  rng = np.random.default_rng(5)
  bent = jax.tree.map(
      lambda h: jnp.diag(jnp.asarray(10.0 ** rng.uniform(-2, 2, size=len(h)))), params["network"])
  params = params | {"network": bent}
  batch = problems.points(data_dir)
  assert linear.eta(params, batch)[1].all()
  state, (row,) = _run(
      "algebraic", "parameter_space", 1, 1, data_dir, damping=1e-9, params=params)
  assert row["tries"] > 1
  assert linear.eta(jax.tree.map(jnp.asarray, state.params), batch)[1].all()
  assert row["loss"] <= row["loss_before"]
