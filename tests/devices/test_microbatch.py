"""Chunks chosen from a memory budget: same numbers, bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.devices import microbatch
from trainer.errors import UserError


def _function(batch):
  wide = jnp.sin(batch["x"][:, :, None] * jnp.arange(1.0, 65.0))
  return {
    "y": (wide * jnp.cos(wide)).sum((1, 2)),
    "scaled": 2 * batch["x"],
    "no columns": batch["x"][:, :0],
  }


def _batch(points):
  return {"x": jnp.asarray(np.random.default_rng(0).normal(size=(points, 3)))}


@pytest.mark.parametrize("points", [64, 101])
def test_chunks_give_the_same_numbers(points):
  batch = _batch(points)
  plan = microbatch.plan(_function, batch, budget=100_000)
  assert 1 < plan.chunk < points and plan.num_chunks == -(-points // plan.chunk)
  whole, parts = jax.jit(_function), jax.jit(lambda b: microbatch.apply(_function, b, plan))
  for a, b in zip(jax.tree.leaves(whole(batch)), jax.tree.leaves(parts(batch)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_the_memory_of_a_gradient_stays_within_the_budget_whatever_the_batch():
  budget = 2_000_000
  for points in (1_000, 64_000):
    shapes = {"x": jax.ShapeDtypeStruct((points, 3), jnp.float64)}
    plan = microbatch.plan(_function, shapes, budget, gradient=True)

    def gradient(scale, batch, plan=plan):
      at_rows = jax.grad(
        lambda factor, rows, weight: jnp.sum(weight * _function({"x": factor * rows["x"]})["y"])
      )
      return microbatch.accumulate(
        lambda rows, weight: at_rows(scale, rows, weight), batch, batch["x"][:, 0], plan
      )

    used = (
      jax.jit(gradient)
      .lower(jax.ShapeDtypeStruct((3,), jnp.float64), shapes)
      .compile()
      .memory_analysis()
      .temp_size_in_bytes
    )
    assert used <= budget + 3 * points * 8 * 8, (points, used, str(plan))


def test_chunks_stay_in_the_caches_of_a_processor(monkeypatch):
  points = microbatch.plan(_function, _batch(4096), budget=2**34).bytes_per_point
  for cache, chunk in ((4096 * points, 4096), (100 * points, 64), (1, 16)):
    monkeypatch.setattr(microbatch.machine, "cache_memory", lambda cache=cache: cache)
    assert microbatch.plan(_function, _batch(4096), budget=2**34).chunk == chunk
    assert microbatch.plan(_function, _batch(4096), budget=9 * points).chunk == 8


def test_a_batch_that_fits_is_one_chunk():
  plan = microbatch.plan(_function, _batch(10), budget=2**30)
  assert (plan.chunk, plan.num_chunks) == (10, 1)
  assert str(plan).startswith("10 points in 1 chunks of 10: about ")


def test_a_point_too_big_is_one_clear_line():
  with pytest.raises(
    UserError, match="one point needs about .* bytes, more than the memory budget"
  ):
    microbatch.plan(_function, _batch(10), budget=100)


@pytest.mark.parametrize("chunk", [101, 16])
def test_sums_over_chunks_leave_padding_out(chunk):
  batch = _batch(101)
  scale = jnp.asarray(np.random.default_rng(1).uniform(size=101))
  square = lambda rows, scale: {
    "sum": (scale[:, None] * rows["x"]).T @ rows["x"],
    "count": scale.sum(),
  }
  got = jax.jit(
    lambda b, s: microbatch.accumulate(square, b, s, microbatch.Plan(101, chunk, 0, 0))
  )(batch, scale)
  expected = square(batch, scale)
  np.testing.assert_allclose(got["sum"], expected["sum"], rtol=1e-12, atol=1e-14)
  np.testing.assert_allclose(got["count"], expected["count"], rtol=1e-14)
