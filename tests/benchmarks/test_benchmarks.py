"""The benchmark's arithmetic and format; nothing here is timed."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry import varieties
from trainer.benchmarks import step, suite, timing
from trainer.metric.ansatz import make_ansatz
from trainer.points.batch import prepare


def test_alternating_calls_each_function_equally_often():
  calls = []
  times = timing.alternate(
    {name: lambda name=name: calls.append(name) or jnp.zeros(()) for name in "ab"}, seconds=0.0
  )
  # One call to compile, then in turns five calls, of which the last is timed.
  assert calls == ["a", "b"] + (["a"] * 5 + ["b"] * 5) * 3
  assert times["a"].rounds == 3 and times["a"].low <= times["a"].median <= times["a"].high
  assert set(times["a"].scaled(1e3, "x_ms")) == {"x_ms", "x_ms_low", "x_ms_high"}


def test_flops_of_a_step_by_hand():
  quintic = varieties.sparse_variety("quintic")
  # Features 25, one hidden layer of 4: 200 operations a row. 7 rows forwards and for the weights'
  # gradient, none for the embedding's; 1 adjoint row three times.
  assert step.step_flops(quintic, (4,), batch=10) == 10 * (7 * 2 * 200 + 3 * 200)


@pytest.mark.parametrize("name", suite.SUITES)
def test_suites_time_manifolds_that_have_a_config(name):
  for manifold in suite.manifolds(name):
    importlib.import_module(f"configs.{manifold}")


def test_table_shows_medians_with_spreads():
  text = suite.table("step", {"jets_ms": 1.5, "jets_ms_low": 1.0, "jets_ms_high": 2.0, "batch": 8})
  assert text.splitlines() == [
    "step",
    "  jets_ms                      1.5  (1 to 2)",
    "  batch                        8",
  ]
  assert "points_per_second quintic" in suite.table(
    "sampling", {"points_per_second": {"quintic": 3.0}}
  )


def test_nested_step_computes_the_same_metric_as_jets():
  """What is compared does the same work."""
  variety = varieties.random_variety("cubic_curve")
  z = jnp.asarray(varieties.some_points(variety, 3))
  batch = jax.jit(prepare, static_argnums=0)(variety, z, jnp.ones(3))
  nested = step._nested_ansatz(variety, (4, 3))
  jets = make_ansatz(variety, "phi_mlp(widths=(4, 3))")
  general = make_ansatz(variety, "trainer.benchmarks.step:plain_phi(ambient=(2,), widths=(4, 3))")
  assert (jets.path, general.path) == ("jets", "general")
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda p: rng.normal(size=p.shape), jax.jit(jets.init)(jax.random.key(0)))
  metrics = [jax.jit(a.metric)(params, batch) for a in (nested, general, jets)]
  np.testing.assert_allclose(metrics[0], metrics[2], rtol=1e-11)
  np.testing.assert_allclose(metrics[1], metrics[2], rtol=1e-11)
