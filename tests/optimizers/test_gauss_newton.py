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
  for index in range(steps):
    # Once compiled a step gets nothing from the host.
    with jax.transfer_guard("disallow" if index else "allow"):
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
    *[_run(kind, name, devices, 10, data_dir, momentum=momentum) for devices in (1, 4)]
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
  rng = np.random.default_rng(2)
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
  positive=lambda v, point: point >= 0,
  admit=lambda params: params,
  devices=1,
  damping=_DAMPING,
):
  """One step on eta = 1 + J v + c, and J, c and the damping matrix in NumPy.

  positive: unknowns, numbers of points -> whether the field is admissible there.
  devices: simulated by one program if several: their results are rows of what is returned. Real
    ones that went different ways would wait for each other.
  """
  rng = np.random.default_rng(3)
  rows, constant = rng.normal(size=(_POINTS, _UNKNOWNS)), rng.normal(size=_POINTS)

  def residual(params, batch):
    # Slack is what the linear model does not know: it grows with the step.
    v = params["v"]
    eta = 1 + batch.x @ v + batch.pullback + slack * jnp.sum(v * v)
    return Residual(eta, 1.0, positive(v, batch.omega), {})

  linear = of_matrix(residual, lambda params, batch: batch.x)
  plan = microbatch.Plan(_POINTS // devices, _POINTS // devices, 0, 0)
  solver = solvers.make_solver("sample_space", linear, plan, 0, 0.0)
  step = gauss_newton.make_gauss_newton_step(linear, solver, plan, 1e-9, _MU, decay, admit)
  params = {"v": jnp.zeros(_UNKNOWNS)}
  optimizer = gauss_newton.init(params, damping)._replace(
    previous=jnp.asarray(previous), taken=jnp.int32(taken)
  )
  ones = jnp.ones(_POINTS)
  batch = Batch(jnp.asarray(rows), jnp.asarray(constant), ones, jnp.arange(_POINTS), ones)
  state = new_state(jnp.int32(0), params, optimizer)
  parts = jax.tree.map(lambda a: a.reshape(devices, 1, -1, *a.shape[1:]), batch)
  of_all = jax.jit(jax.vmap(step, in_axes=(None, 0), axis_name=parallel.AXIS))
  state, row = of_all(state, parts)
  if devices == 1:
    state, row = jax.tree.map(lambda a: a[0], (state, row))
  j = rows / np.sqrt(_POINTS)
  shift = damping * np.trace(j @ j.T) / _POINTS
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
  state, row, *_ = _linear_step(zero, 0, 0.0, positive=lambda v, point: point > 0)
  assert row["accepted"] and row["tries"] == 1 and row["loss"] < row["loss_before"]
  # One that becomes so does; the damping rises, but not for ever.
  state, row, *_ = _linear_step(
    zero, 0, 0.0, positive=lambda v, point: (point > 0) | jnp.all(v == 0)
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
    positive=lambda v, point: (point >= 0) & (jnp.linalg.norm(v) < reach),
    admit=lambda params: {"v": jnp.clip(params["v"], -cap, cap)},
  )
  assert row["accepted"] and row["length"] == 0.5
  expected = np.clip(step / 2, -cap, cap)
  assert np.any(expected != step / 2)
  np.testing.assert_allclose(state.params["v"], expected, rtol=1e-10)
  np.testing.assert_allclose(row["loss"], np.sum((residual + j @ expected) ** 2), rtol=1e-10)


def _half_way(**arguments):
  """A step of which no more than half is admissible at some points; and the whole one."""
  points = arguments.pop("points", 0)
  zero = np.zeros(_UNKNOWNS)
  whole, *_ = _linear_step(zero, **arguments | {"devices": 1})
  reach = 0.6 * np.linalg.norm(whole.params["v"])
  shortened = _linear_step(
    zero,
    positive=lambda v, point: (point < points) | (jnp.linalg.norm(v) < reach),
    **arguments,
  )
  return whole, *shortened[:2]


def test_points_on_one_device_shorten_the_step_of_all():
  """Only the last three points of twelve would be spoiled, all on the last device."""
  whole, state, row = _half_way(taken=0, decay=0.0, points=9, devices=4)
  assert all(row["accepted"]) and all(row["length"] == 0.5) and all(row["tries"] == 1)
  expected = np.tile(0.5 * whole.params["v"], (4, 1))
  np.testing.assert_allclose(state.params["v"], expected, rtol=1e-10)


def test_the_gain_of_a_shortened_step_on_a_linear_problem_is_one():
  _, _, row = _half_way(taken=0, decay=0.0, damping=1e-9)
  assert row["accepted"] and row["length"] == 0.5
  np.testing.assert_allclose(row["gain"], 1, rtol=1e-6)
  np.testing.assert_allclose(row["predicted_loss"], row["loss"], rtol=1e-6)
  np.testing.assert_allclose(row["loss"], row["loss_before"] / 4, rtol=1e-6)


def test_momentum_after_a_halved_step_is_that_of_the_half():
  """Steps are half as long as their solution by decay, and this one is halved once more."""
  whole, state, row = _half_way(taken=2, decay=0.5)
  assert row["accepted"] and row["length"] == 0.25
  np.testing.assert_allclose(state.params["v"], 0.5 * whole.params["v"], rtol=1e-10)
  np.testing.assert_allclose(state.optimizer.previous, 0.5 * whole.optimizer.previous, rtol=1e-10)
  np.testing.assert_allclose(whole.optimizer.previous, 2 * whole.params["v"], rtol=1e-10)
