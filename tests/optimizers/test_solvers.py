"""The damped normal equations, solved in three ways on one device and on four, against NumPy."""

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
import numpy as np
import pytest

from trainer.devices import microbatch, parallel, work
from trainer.optimizers import cholesky, solvers
from trainer.problem.linearise import Linearisation

_MATRIX = Linearisation(
  residual=None,
  prepare=lambda params, rows: rows,
  apply=lambda params, rows, v: rows @ v,
  transpose=lambda params, rows, u: u @ rows,
  rows=lambda params, rows: rows,
  squares=lambda params, rows: jnp.sum(rows**2, axis=1),
)


def _problem(num_points, num_unknowns):
  rng = np.random.default_rng(0)
  scale = np.sqrt(rng.uniform(0.1, 1.0, size=num_points))
  scale[3] = 0.0  # padding
  rows = rng.normal(size=(num_points, num_unknowns))
  return rows, scale, scale * rng.normal(size=num_points)


def _solve(name, devices, rows, scale, residual, damping, limit=200):
  mesh = parallel.make_mesh(jax.devices()[:devices])
  # Chunks that do not divide a device's points: padding counts for nothing.
  plan = microbatch.Plan(len(rows) // devices, 3, 0, 0)
  solver = solvers.make_solver(name, _MATRIX, plan, iterations=200, tolerance=1e-26)

  def run(rows, scale, residual):
    return solver.solve(solver.prepare(solvers.System({}, rows, scale)), residual, damping, limit)

  spec = PartitionSpec(parallel.AXIS)
  return jax.jit(
    jax.shard_map(
      run, mesh=mesh, in_specs=(spec, spec, spec), out_specs=PartitionSpec(), check_vma=False
    )
  )(rows, scale, residual)


def _expected(name, rows, scale, residual, damping):
  j = rows * scale[:, None]
  a, b = j.T @ j, j.T @ residual
  if name == "parameter_space":
    damped = a + damping * np.diag(np.diag(a) + np.mean(np.diag(a)))
  else:
    damped = a + damping * np.trace(a) / min(j.shape) * np.eye(len(a))
  return j, -np.linalg.solve(damped, b)


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("shape", [(40, 7), (16, 30)])
@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_all_solvers_solve_the_damped_normal_equations(name, shape, devices):
  rows, scale, residual = _problem(*shape)
  got = _solve(name, devices, rows, scale, residual, 0.05)
  if name == "sample_space":
    shape = (shape[0], shape[0])  # its damping is relative to the number of points
  j, _ = _expected(name, rows, scale, residual, 0.05)
  damping = 0.05 * (min(rows.shape) / rows.shape[0] if name == "sample_space" else 1)
  _, expected = _expected(name, rows, scale, residual, damping)
  np.testing.assert_allclose(got.delta, expected, rtol=1e-9, atol=1e-11)
  decrease = residual @ residual - np.sum((residual + j @ expected) ** 2)
  np.testing.assert_allclose(got.decrease, decrease, rtol=1e-9)


def test_devices_that_factor_together_find_the_same(monkeypatch):
  for name, value in {"_WORTHWHILE": 1, "_FEWEST": 2, "_NARROWEST": 2}.items():
    monkeypatch.setattr(cholesky, name, value)
  problem = _problem(40, 7)
  got = _solve("parameter_space", 4, *problem, 0.05)
  j, expected = _expected("parameter_space", *problem, 0.05)
  np.testing.assert_allclose(got.delta, expected, rtol=1e-9, atol=1e-11)
  decrease = problem[2] @ problem[2] - np.sum((problem[2] + j @ expected) ** 2)
  np.testing.assert_allclose(got.decrease, decrease, rtol=1e-9)


def test_conjugate_gradients_stop_at_the_tolerance():
  rows, scale, residual = _problem(40, 7)
  got = _solve("conjugate_gradient", 1, rows, scale, residual, 0.05)
  assert 4 < int(got.iterations) < 15


def test_conjugate_gradients_stop_where_time_is_over():
  rows, scale, residual = _problem(40, 7)
  got = _solve("conjugate_gradient", 1, rows, scale, residual, 0.05, limit=3)
  assert int(got.iterations) == 3 and 0 < got.decrease < residual @ residual


def test_an_iteration_is_one_exchange():
  """Of the product and of the three numbers by which devices agree."""
  run = lambda *problem: _solve("conjugate_gradient", 4, *problem, 0.05)
  found = work.of_program(jax.make_jaxpr(run)(*_problem(40, 7)))
  ((exchange, times),) = found.collectives["iterations"]
  assert exchange.primitive.name == "psum" and times == 1
  assert [operand.shape for operand in exchange.operands] == [(7 + 3,)]


def test_conjugate_gradients_end_where_nothing_is_left():
  """Of a right-hand side that is zero, and of one that the first iteration solves exactly."""
  rows, scale, residual = np.eye(8), np.ones(8), np.zeros(8)
  for residual[0] in (0.0, 2.0):
    got = _solve("conjugate_gradient", 4, rows, scale, residual, 0.0)
    np.testing.assert_array_equal(got.delta, -residual)
    assert int(got.iterations) <= 2


@pytest.mark.parametrize(
  "size, low_rank, name",
  [
    ((2_000, 20_000), False, "parameter_space"),
    ((10_000, 2_048), False, "sample_space"),
    ((10_000, 20_000), False, "conjugate_gradient"),
    ((257, 4_000), True, "parameter_space"),
    ((4_901, 50_000), True, "conjugate_gradient"),
  ],
)
def test_the_solver_follows_the_size(size, low_rank, name):
  assert solvers.choose(*size, low_rank) == name
