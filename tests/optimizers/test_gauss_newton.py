"""Gauss-Newton steps: the same trajectory on any number of devices, acceptance, damping."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.optimizers import problems
from trainer.devices import microbatch, parallel
from trainer.optimizers import gauss_newton, solvers
from trainer.optimizers.state import new_state
from trainer.points.batch import Batch
from trainer.problem.linearise import Residual, of_matrix


def _run(
  kind, name, devices, steps, data_dir, mode="shard_map", damping=1e-3, params=None, momentum=0.0
):
  linear, start, _ = problems.linearisation(kind)
  mesh = parallel.make_mesh(jax.devices()[:devices])
  batch = problems.points(data_dir)
  plan = microbatch.Plan(256 // devices, 16, 0, 0)
  solver = solvers.make_solver(name, linear, plan, iterations=30, tolerance=1e-3)
  step = parallel.compile_step(
    gauss_newton.make_gauss_newton_step(linear, solver, plan, 1e-9, momentum, decay=momentum),
    mesh,
    mode,
  )
  params = start if params is None else params
  state = new_state(jnp.int32(0), params, gauss_newton.init(params, damping))
  state = parallel.replicate(mesh, state)
  epoch = jax.device_put(jax.tree.map(lambda a: a[None], batch), parallel.sharded(mesh, axis=1))
  epoch = parallel.lay_out_epoch(epoch, mesh, mode)
  rows = []
  for _ in range(steps):
    state, row = step(state, epoch)
    rows.append(jax.device_get(row))
  return state, rows


@pytest.mark.parametrize(
  "kind, name, momentum",
  [
    ("network", "parameter_space", 0.0),
    ("network", "sample_space", 0.9),
    ("algebraic", "conjugate_gradient", 0.0),
  ],
)
def test_the_trajectory_does_not_depend_on_the_devices(kind, name, momentum, data_dir):
  states, histories = zip(
    *[_run(kind, name, devices, 10, data_dir, momentum=momentum) for devices in (1, 2, 4)]
  )
  for state, rows in zip(states[1:], histories[1:]):
    np.testing.assert_allclose(
      [row["loss"] for row in rows], [row["loss"] for row in histories[0]], rtol=1e-8
    )
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8),
      state.params,
      states[0].params,
    )


def test_pmap_takes_the_same_steps(data_dir):
  results = [
    _run("algebraic", "conjugate_gradient", 4, 3, data_dir, mode)[1] for mode in parallel.MODES
  ]
  np.testing.assert_allclose(*[[row["loss"] for row in rows] for rows in results], rtol=1e-9)


def test_e_falls_by_orders_of_magnitude(data_dir):
  state, rows = _run("algebraic", "parameter_space", 4, 5, data_dir)
  losses = [rows[0]["loss_before"], *(row["loss"] for row in rows)]
  assert all(a >= b for a, b in zip(losses, losses[1:]))
  assert losses[-1] < 1e-3 * losses[0]
  assert all(row["accepted"] for row in rows[:3])
  assert float(state.optimizer.damping) < 1e-4 and int(state.optimizer.taken) == 5


def test_a_step_to_an_indefinite_metric_is_not_taken(data_dir):
  """Far from the solution the undamped step overshoots: it goes only as far as g stays positive."""
  linear, params, _ = problems.linearisation("algebraic")
  rng = np.random.default_rng(8)
  bent = jax.tree.map(
    lambda h: jnp.diag(jnp.asarray(10.0 ** rng.uniform(-2, 2, size=len(h)))), params["network"]
  )
  params = params | {"network": bent}
  batch = problems.points(data_dir)
  assert linear.residual(params, batch).admissible.all()
  state, (row,) = _run("algebraic", "parameter_space", 1, 1, data_dir, damping=1e-4, params=params)
  assert row["accepted"] and row["length"] < 1 and row["tries"] == 1
  assert state.optimizer.damping == 1e-4
  assert linear.residual(jax.tree.map(jnp.asarray, state.params), batch).admissible.all()
  assert row["loss"] <= row["loss_before"]


_POINTS, _UNKNOWNS, _MU, _DAMPING = 12, 20, 0.8, 0.3


def _linear_step(
  previous,
  taken,
  decay,
  slack=0.0,
  positive=lambda v: jnp.ones(_POINTS, bool),
  admit=lambda params: params,
):
  """One step on eta = 1 + J v + c, and J, c and the damping matrix in NumPy."""
  rng = np.random.default_rng(3)
  rows, constant = rng.normal(size=(_POINTS, _UNKNOWNS)), rng.normal(size=_POINTS)

  def residual(params, batch):
    # Slack is what the linear model does not know: it grows with the step.
    v = params["v"]
    eta = 1 + batch.x @ v + batch.weight * constant + slack * jnp.sum(v * v)
    return Residual(eta, 1.0, positive(v), {})

  linear = of_matrix(residual, lambda params, batch: batch.x)
  plan = microbatch.Plan(_POINTS, _POINTS, 0, 0)
  solver = solvers.make_solver("sample_space", linear, plan, 0, 0.0)
  mesh = parallel.make_mesh(jax.devices()[:1])
  step = parallel.compile_step(
    gauss_newton.make_gauss_newton_step(linear, solver, plan, 1e-9, _MU, decay, admit),
    mesh,
    "shard_map",
  )
  params = {"v": jnp.zeros(_UNKNOWNS)}
  optimizer = gauss_newton.init(params, _DAMPING)._replace(
    previous=jnp.asarray(previous), taken=jnp.int32(taken)
  )
  ones = jnp.ones(_POINTS)
  epoch = jax.tree.map(lambda a: a[None], Batch(jnp.asarray(rows), ones, ones, ones, ones))
  state = new_state(jnp.int32(0), params, optimizer)
  state, row = step(parallel.replicate(mesh, state), epoch)
  j = rows / np.sqrt(_POINTS)
  shift = _DAMPING * np.trace(j @ j.T) / _POINTS
  return state, jax.device_get(row), j, constant / np.sqrt(_POINTS), shift


def test_the_damping_of_momentum_pulls_towards_the_step_before():
  previous = 0.1 * np.random.default_rng(4).normal(size=_UNKNOWNS)
  state, row, j, residual, shift = _linear_step(previous, taken=3, decay=0.5)
  # minimise |r + J delta|^2 + shift |delta - mu previous|^2
  delta = np.linalg.solve(
    j.T @ j + shift * np.eye(_UNKNOWNS), shift * _MU * previous - j.T @ residual
  )
  assert row["tries"] == 1 and row["accepted"]
  np.testing.assert_allclose(state.optimizer.previous, delta, rtol=1e-10)
  np.testing.assert_allclose(state.params["v"], delta / (1 + 0.5 * 3), rtol=1e-10)
  np.testing.assert_allclose(row["loss"], np.sum((residual + j @ delta / 2.5) ** 2), rtol=1e-10)


def test_a_step_that_is_refused_loses_its_momentum():
  previous = 1e3 * np.random.default_rng(4).normal(size=_UNKNOWNS)
  state, row, j, residual, shift = _linear_step(previous, taken=0, decay=0.0, slack=1e-4)
  assert row["tries"] == 2 and row["accepted"]
  # The second try has six times the damping and no pull.
  delta = np.linalg.solve(j.T @ j + 6 * shift * np.eye(_UNKNOWNS), -j.T @ residual)
  np.testing.assert_allclose(state.optimizer.previous, delta, rtol=1e-10)


def test_points_that_are_indefinite_before_a_step_do_not_stop_it():
  zero = np.zeros(_UNKNOWNS)
  state, row, *_ = _linear_step(zero, 0, 0.0, positive=lambda v: jnp.arange(_POINTS) > 0)
  assert row["accepted"] and row["tries"] == 1 and row["loss"] < row["loss_before"]
  # One that becomes so does; the damping rises, but not for ever.
  state, row, *_ = _linear_step(
    zero, 0, 0.0, positive=lambda v: (jnp.arange(_POINTS) > 0) | jnp.all(v == 0)
  )
  assert not row["accepted"] and not np.any(state.params["v"])
  assert float(state.optimizer.damping) == 1e4


def test_a_step_is_shortened_where_it_spoils_and_then_admitted():
  """Admitted first, no step would ever spoil anything, and whole ones lead far over the brink."""
  zero = np.zeros(_UNKNOWNS)
  whole, *_ = _linear_step(zero, 0, 0.0)
  step = np.asarray(whole.params["v"])
  reach, cap = 0.6 * np.linalg.norm(step), 0.3 * np.abs(step).max()
  state, row, j, residual, _ = _linear_step(
    zero,
    0,
    0.0,
    positive=lambda v: jnp.broadcast_to(jnp.linalg.norm(v) < reach, _POINTS),
    admit=lambda params: {"v": jnp.clip(params["v"], -cap, cap)},
  )
  assert row["accepted"] and row["length"] == 0.5
  expected = np.clip(step / 2, -cap, cap)
  assert np.any(expected != step / 2)
  np.testing.assert_allclose(state.params["v"], expected, rtol=1e-10)
  np.testing.assert_allclose(row["loss"], np.sum((residual + j @ expected) ** 2), rtol=1e-10)
