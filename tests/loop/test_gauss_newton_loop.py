"""How a Gauss-Newton phase goes on and ends: a script in place of steps and measurements."""

from types import SimpleNamespace

import jax.numpy as jnp
import pytest

from trainer.devices import parallel
from trainer.loop import gauss_newton as gauss_newton_loop
from trainer.loop import schedule
from trainer.optimizers import gauss_newton
from trainer.optimizers.state import new_state
from trainer.run.phases import GAUSS_NEWTON, Phase


class _Manager:
  """Checkpoints in memory."""

  def reached_preemption(self, step):
    return False

  def wait_until_finished(self):
    pass


class _Job:
  """A job whose validation sigma follows a script; step k makes the parameter k."""

  mesh = parallel.make_mesh()

  def __init__(self, sigmas, steps, seconds_left=1e9, sections=True):
    settings = SimpleNamespace(steps=steps, momentum=0.9, iterations=100)
    self.run = SimpleNamespace(
      config=SimpleNamespace(gauss_newton=settings),
      phase=0,
      problem=SimpleNamespace(
        merit="sigma",
        linearise=lambda: SimpleNamespace(
          nearly_linear=sections, low_rank=sections, equations=1, keep=None
        ),
      ),
    )
    self.present = Phase(GAUSS_NEWTON, "algebraic(degree=2)")
    ignored = dict.fromkeys(("start", "note", "stage"), lambda *a: None)
    self.progress = SimpleNamespace(**ignored)
    self.saved, self._sigmas, self._left = [], sigmas, seconds_left

  def segments(self, state, *sizes):
    return SimpleNamespace(cut=lambda size: None, of_step=lambda step: None, close=lambda: None)

  def evaluator(self, state):
    return lambda state: {"sigma": self._sigmas[int(state.step)]}

  def record(self, step, row):
    pass

  def seconds_left(self):
    return self._left

  def out_of_time(self):
    return self._left <= 0

  def trace(self, step, last=False):
    pass

  def save(self, saved, state, force, last):
    assert force
    self.saved.append((int(state.step), float(state.params["network"])))


class _Meter:
  def row(self, seconds, numbers):
    return {}


def _train(monkeypatch, job, start=0, sizes=(16, 64), damping=0.1, predicted=0.9):
  monkeypatch.setattr(schedule, "batch_sizes", lambda *a: list(sizes))
  monkeypatch.setattr(schedule, "phase_points", lambda *a: 64)

  def step(state, segment):
    params = {"network": jnp.float64(state.step + 1), "log_kappa": jnp.float64(0)}
    optimizer = state.optimizer._replace(taken=state.optimizer.taken + 1)
    row = {
      "loss": 1.0,
      "loss_before": 2.0,
      "predicted_loss": predicted,
      "damping": damping,
      "accepted": True,
      "iterations": 20,
    }
    return (
      state._replace(step=state.step + 1, params=params, optimizer=optimizer),
      {name: jnp.asarray(value) for name, value in row.items()},
    )

  monkeypatch.setattr(gauss_newton_loop, "compile_step", lambda *a, **k: (step, _Meter()))
  params = {"network": jnp.float64(start), "log_kappa": jnp.float64(0)}
  optimizer = gauss_newton.init(params, 1.0)._replace(taken=jnp.int32(start))
  state = new_state(jnp.int32(start), params, optimizer, schedule.start(params))
  return gauss_newton_loop.train(job, state, _Manager())


def test_steps_that_run_out_leave_the_best_parameters_in_the_last_checkpoint(monkeypatch):
  job = _Job([0.4, 0.2, 0.1, 0.3], steps=3, sections=False)
  state = _train(monkeypatch, job)
  assert float(state.params["network"]) == 2
  assert job.saved == [(1, 1.0), (2, 2.0), (3, 2.0)]


def test_time_that_runs_out_does_so_too(monkeypatch):
  job = _Job([0.4, 0.2], steps=9, seconds_left=0)
  state = _train(monkeypatch, job)
  assert job.saved == [(1, 1.0)] and int(state.step) == 1


def test_a_run_whose_time_is_over_takes_no_more_steps(monkeypatch):
  job = _Job([], steps=9, seconds_left=0)
  state = _train(monkeypatch, job, start=4)
  assert int(state.step) == 4 and job.saved == []


@pytest.mark.parametrize(
  "seconds, predicted, iterations",
  # Where the linear model is far off, half of them, but as many as are worth a step.
  [(600.0, 0.9, 60), (3000.0, 0.9, 100), (600.0, 0.4, 30), (180.0, 0.4, 10)],
)
def test_iterations_are_those_that_time_is_left_for(monkeypatch, seconds, predicted, iterations):
  # The clock, looked at three times a step, moves 200 seconds in 20 iterations.
  ticks = iter(range(0, 10_000, 100))
  monkeypatch.setattr(gauss_newton_loop, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
  job = _Job([0.4, 0.2, 0.1], steps=2, seconds_left=seconds)
  state = _train(monkeypatch, job, sizes=(16,), predicted=predicted)
  assert int(state.optimizer.iterations) == iterations


@pytest.mark.parametrize(
  "seconds, predicted, size",
  [
    (300.0, 0.9, 32),
    (float("inf"), 0.9, 64),
    (110.0, 0.9, None),
    # Two steps where the linear model is far off.
    (500.0, 0.4, 32),
    (500.0, 0.9, 64),
  ],
)
def test_the_last_batch_has_the_points_that_time_is_left_for(monkeypatch, seconds, predicted, size):
  # 200 seconds for 20 iterations on 16 points, and 100 for a step's compilation.
  ticks = iter(range(0, 100_000, 100))
  monkeypatch.setattr(gauss_newton_loop, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
  job = _Job([0.4, 0.39, 0.38, 0.37], steps=3, seconds_left=seconds)
  job.record = lambda step, row: rows.append(row)
  rows = []
  _train(monkeypatch, job, predicted=predicted)
  assert [row["batch_size"] for row in rows[1:]] == [16, 16, *([size] if size else [])]


@pytest.mark.parametrize(
  "damping, sigmas, steps",
  [
    (0.1, [0.4, 0.2, 0.19, 0.1, 0.099], 4),
    # Damped steps are short: sigma need not fall by much.
    (1.0, [0.4, 0.2, 0.19, 0.195, 0.1, 0.099], 5),
  ],
)
def test_batches_grow_and_the_phase_ends_where_sigma_stops_falling(
  monkeypatch, damping, sigmas, steps
):
  state = _train(monkeypatch, _Job(sigmas, steps=9), damping=damping)
  assert int(state.step) == steps and int(state.schedule.level) == 2


@pytest.mark.parametrize("limit, steps", [(100, 2), (20, 4)])
def test_what_the_linear_model_predicts_is_the_minimum_unless_it_was_cut_short(
  monkeypatch, limit, steps
):
  job = _Job([0.4, 0.2, 0.19, 0.1, 0.099], steps=9)
  job.run.config.gauss_newton.iterations = limit
  assert int(_train(monkeypatch, job, damping=1e-4, predicted=0.99).step) == steps


def test_with_momentum_a_network_keeps_its_batches_until_sigma_has_long_not_fallen(monkeypatch):
  sigmas = [0.4, 0.2, 0.1, *[0.3] * 9]
  state = _train(monkeypatch, _Job(sigmas, steps=12, sections=False), sizes=(16,))
  # The third of the steps after the best is the quarter of them.
  assert int(state.step) == 5 and float(state.params["network"]) == 2
