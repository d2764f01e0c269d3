"""Arithmetic and collectives read off a traced program, and what rows of metrics say of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.devices import meter, parallel, work
from trainer.devices.work import Work


def _program(step, devices=2):
  mesh = parallel.make_mesh(jax.devices()[:devices])
  traced = parallel.shard_step(step, mesh).trace(jnp.zeros(3), jnp.ones((1, 4, 5)))
  return work.of_program(traced.jaxpr), mesh


def test_loops_count_as_often_as_they_run():
  """(2, 5) by (5, 3): 60 operations; their sum, 6; three times 3 x 3 by 3, 18; two sums of 3."""

  def step(state, epoch):
    product = epoch[0] @ jnp.ones((5, 3))
    start = parallel.psum(jnp.sum(product))

    def body(carry):
      moved, _ = jax.lax.scan(lambda c, _: (jnp.ones((3, 3)) @ c, None), carry[0], length=3)
      return moved + parallel.psum(moved), carry[1] + 1

    with jax.named_scope("per tries"):
      moved, _ = jax.lax.while_loop(lambda carry: carry[1] < 4, body, (state, 0))
    return moved, start

  found, mesh = _program(step)
  assert found.flops == {"": 60 + 6, "tries": 3 * 18 + 3}
  shapes = {
    name: [(one.primitive.name, one.operands[0].shape, times) for one, times in pairs]
    for name, pairs in found.collectives.items()
  }
  assert shapes == {"": [("psum", (), 1.0)], "tries": [("psum", (3,), 1.0)]}
  assert found.total({"": 2, "tries": 10}) == 2 * 66 + 10 * 57


def test_complex_products_factorisations_and_the_longest_branch():
  def step(state, epoch):
    del epoch
    a = jnp.eye(3) + 0j
    square = jax.lax.cond(state[0] > 0, lambda: a @ a, lambda: a)
    lower = jax.lax.linalg.cholesky(jnp.eye(6), symmetrize_input=False)
    below = jax.lax.linalg.triangular_solve(lower, jnp.ones((6, 2)), left_side=True, lower=True)
    return below[0, 0] * state, square.real

  found, _ = _program(step)
  complex_sum = 4 * 9  # eye + 0j.
  assert found.flops[""] == pytest.approx(8 * 27 + 6**3 / 3 + 6 * 6 * 2 + 3 + complex_sum)


def test_every_kind_of_collective_is_timed():
  def step(state, epoch):
    rows = parallel.all_gather(epoch[0])
    columns = parallel.columns(epoch[0])
    part = parallel.psum_scatter(jnp.ones((2, 7))) + parallel.psum(epoch[0, 0, 0])
    return state + jnp.sum(rows) + jnp.sum(columns) + jnp.sum(part), parallel.first(state > 0)

  found, mesh = _program(step)
  kinds = {one.primitive.name for one, _ in found.collectives[""]}
  assert kinds == {"all_gather", "all_to_all", "reduce_scatter", "psum"}
  row = meter.Meter(found, mesh).row(2.0, {"": 4})
  assert row["step_seconds"] == 0.5 and 0 < row["communication_share"] < 1
  assert row["flops_per_second"] == pytest.approx(2 * 4 * found.flops[""] / 2.0)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_a_step_is_compiled_and_counted_in_both_modes(mode):
  """Two devices, two points each of one number: a product and a sum, and a sum of both devices."""
  mesh = parallel.make_mesh(jax.devices()[:2])
  epoch = jax.device_put(np.arange(4.0)[None], parallel.sharded(mesh, axis=1))
  epoch = parallel.lay_out_epoch(epoch, mesh, mode)
  step = lambda state, epoch: (state + parallel.psum(jnp.sum(2 * epoch[0])), {"done": state})
  state = parallel.replicate(mesh, np.float64(1.0))
  compiled, found = work.compile_step(step, mesh, mode, state, epoch)
  assert found.flops == {"": 2 + 2 + 1} and len(found.collectives[""]) == 1
  state, metrics = compiled(state, epoch)
  assert float(state) == 1 + 12 and float(metrics["done"]) == 1


def test_the_share_adds_up_loops(monkeypatch):
  """0.1 s a step and 0.25 s an iteration, of which there were three."""
  monkeypatch.setattr(meter, "_time_collectives", lambda *a: {"": 0.1, "iterations": 0.25})
  made = meter.Meter(Work({"": 10.0, "iterations": 4.0}, {}), parallel.make_mesh(jax.devices()[:2]))
  row = made.row(2.0, {"": 1, "iterations": 3, "tries": 7})
  assert row["communication_share"] == pytest.approx(0.85 / 2)
  assert row["flops_per_second"] == 2 * 22 / 2


def test_one_device_tells_nobody_anything():
  row = meter.Meter(*_program(lambda state, epoch: (parallel.psum(state), 0), 1)).row(1.0, {"": 1})
  assert row["communication_share"] == 0
