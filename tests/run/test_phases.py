"""What a run does one after the other, and the metric it carries from one degree to the next."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import hermitian
from trainer.loop import schedule, train
from trainer.loop import state as states
from trainer.loop.job import Job
from trainer.metric import balanced
from trainer.points import dataset
from trainer.run import run as runs
from trainer.run.host import Host
from trainer.run.phases import FIRST_ORDER, GAUSS_NEWTON, make_phases
from trainer.sampling import singular


def _config(**fields):
  config = fermat_cubic.get_config()
  config.steps, config.gauss_newton.steps = 1000, 0
  config.update_from_flattened_dict(fields)
  return config


def _some_points(run):
  z = singular.near_singular_points(run.problem.variety)[:4]
  return jax.tree.map(
    jnp.asarray, dataset.prepare_on_host(run.problem.variety, z, np.ones(4), jnp.float64)
  )


def test_first_order_steps_come_first():
  config = _config(**{"steps": 10, "gauss_newton.steps": 5})
  assert [phase.optimizer for phase in make_phases(config)] == [FIRST_ORDER, GAUSS_NEWTON]
  assert {phase.network for phase in make_phases(config)} == {config.network}


def test_an_algebraic_network_goes_through_its_degrees():
  config = _config(
    **{
      "steps": 0,
      "gauss_newton.steps": 5,
      "network": "algebraic(degree=5)",
      "continuation": (2, 4),
    }
  )
  assert [phase.network for phase in make_phases(config)] == [
    "algebraic(degree=2)",
    "algebraic(degree=4)",
    "algebraic(degree=5)",
  ]


def test_a_sum_of_networks_is_trained_term_by_term():
  config = _config(
    **{
      "steps": 10,
      "gauss_newton.steps": 5,
      "continuation": (2,),
      "network": "algebraic(degree=3) + curvature_mlp() + phi_mlp()",
    }
  )
  phases = make_phases(config)
  assert [(phase.optimizer, phase.network) for phase in phases] == [
    (FIRST_ORDER, "algebraic(degree=2)"),
    (GAUSS_NEWTON, "algebraic(degree=2)"),
    (GAUSS_NEWTON, "algebraic(degree=3)"),
    (GAUSS_NEWTON, "algebraic(degree=3) + curvature_mlp()"),
    (GAUSS_NEWTON, config.network),
  ]
  assert [phase.rough for phase in phases] == [False, True, False, False, False]


@pytest.mark.parametrize(
  "fields, message",
  [
    ({"network": "phi_mlp() + curvature_mlp()"}, "a sum of networks needs"),
    ({"steps": 0}, "nothing to train"),
    ({"continuation": (2,), "network": "algebraic(degree=3)"}, "gauss_newton.steps > 0"),
    ({"continuation": (3, 2), "network": "algebraic(degree=4)", "gauss_newton.steps": 1}, "rising"),
    ({"continuation": (3,), "network": "phi_mlp()", "gauss_newton.steps": 1}, "rising"),
  ],
)
def test_phases_that_make_no_sense(fields, message):
  with pytest.raises(UserError, match=message):
    make_phases(_config(**fields))


@pytest.mark.parametrize("degree, share", [(3, 2 / 3), (4, 1), (5, 4 / 5)])
def test_a_higher_degree_starts_from_a_power_of_the_lower(degree, share):
  """K' = (q k K + r K_FS) / k', k' = q k + r, so phi' = (q k / k') phi."""
  network = f"algebraic(degree={degree})"
  config = _config(
    **{"steps": 0, "gauss_newton.steps": 5, "network": network, "continuation": (2,)}
  )
  high = runs.open_run(config, 0, jnp.dtype("float64"))
  low = runs.enter_phase(high, 0)
  state = states.first_state(low)
  rng = np.random.default_rng(0)
  bent = jax.tree.map(lambda h: h + 0.1 * rng.normal(size=h.shape), state.params)
  following = states.next_state(low, state._replace(params=bent, step=jnp.int32(7)), high)
  assert int(following.step) == 7 and int(following.optimizer.taken) == 0
  assert following.params["log_kappa"] == bent["log_kappa"]
  batch = _some_points(low)
  correction = [
    jax.jit(run.problem.ansatz.metric)(params["network"], batch) - batch.fubini_study.T
    for run, params in ((low, bent), (high, following.params))
  ]
  assert np.abs(correction[0]).max() > 1e-3
  np.testing.assert_allclose(correction[1], share * correction[0], rtol=1e-10, atol=1e-12)
  assert following.optimizer.damping < state.optimizer.damping


@pytest.mark.parametrize("points, sizes", [(100_000, [100, 100_000]), (150, [75, 150])])
def test_the_first_batch_of_a_lifted_metric_is_small(points, sizes):
  """0.3 equations an unknown, half of all where there are few; a lower rung takes one size."""
  config = _config(
    **{"steps": 0, "gauss_newton.steps": 5, "network": "algebraic(degree=3)", "continuation": (2,)}
  )
  config.data.train_points = points
  run = runs.open_run(config, 0, jnp.dtype("float64"))
  linear = run.problem.linearise()
  job = SimpleNamespace(run=run, present=run.present, mesh=SimpleNamespace(size=1))
  rounded = [schedule.round_size(size, 1) for size in sizes]
  assert schedule.batch_sizes(job, linear, 1000) == rounded
  job = SimpleNamespace(run=runs.enter_phase(run, 0), present=run.phases[0], mesh=job.mesh)
  assert len(schedule.batch_sizes(job, linear, 1000)) == 1


def test_a_correction_starts_on_top_of_the_metric_before_it():
  """Its last layer is zero: metric and kappa are the same; the unknowns are the correction's."""
  network = "algebraic(degree=2) + curvature_mlp(widths=(4,))"
  config = _config(**{"steps": 0, "gauss_newton.steps": 5, "network": network})
  both = runs.open_run(config, 0, jnp.dtype("float64"))
  first = runs.enter_phase(both, 0)
  state = states.first_state(first)
  rng = np.random.default_rng(0)
  bent = jax.tree.map(lambda h: h + 0.1 * rng.normal(size=h.shape), state.params)
  following = states.next_state(first, state._replace(params=bent, step=jnp.int32(7)), both)
  assert int(following.step) == 7 and following.params["log_kappa"] == bent["log_kappa"]
  assert following.optimizer.previous.size == (9 + 4) * 4 + 4 + 4 + 1 + 1
  batch = _some_points(first)
  before = jax.jit(first.problem.ansatz.metric)(bent["network"], batch)
  assert np.abs(before - batch.fubini_study.T).max() > 1e-3
  np.testing.assert_allclose(
    jax.jit(both.problem.ansatz.metric)(following.params["network"], batch), before, rtol=1e-12
  )


@pytest.mark.parametrize("size", [17, 64, 370, 4_901, 60_000, 1_234_567])
def test_batch_sizes_divide_over_devices_and_do_not_depend_on_them(size):
  rounded = schedule.round_size(size, 1)
  assert rounded <= size and (size < 2048 or rounded > 0.98 * size)
  for devices in (2, 4, 8, 16):
    assert schedule.round_size(size, devices) == rounded
  assert schedule.round_size(size, 6) % 6 == 0


def test_a_run_may_start_from_the_balanced_metric(data_dir, tmp_path):
  config = _config(
    **{"start": "balanced", "network": "algebraic(degree=2)", "data.train_points": 3000}
  )
  run = runs.enter_phase(runs.open_run(config, 0, jnp.dtype("float64")), 0)
  mesh = parallel.make_mesh()
  job = Job(
    run,
    mesh,
    "shard_map",
    tmp_path,
    data_dir,
    2**28,
    None,
    None,
    SimpleNamespace(sampling=None),
    0.0,
    Host(),
  )
  first = states.first_state(run)
  state = train._started(job, parallel.replicate(mesh, first))
  assert state.params["log_kappa"] == first.params["log_kappa"]

  # The T-operator leaves it alone, and it is nearer to the flat metric than Fubini-Study.
  points = dataset.load(job.source("train"), 3000).batch
  form = balanced.balanced_metric(run.problem.variety, 2, points, mesh)
  np.testing.assert_allclose(state.params["network"]["algebraic_metric"]["h"], form, rtol=1e-12)
  sigmas = []
  for params in (first.params, jax.tree.map(np.asarray, state.params)):
    metric = jax.jit(run.problem.ansatz.metric)(params["network"], points)
    eta = hermitian.determinant(metric) / points.omega
    weight = points.weight / points.weight.sum()
    sigmas.append(float(jnp.sum(weight * jnp.abs(1 - eta / jnp.sum(weight * eta)))))
  assert sigmas[1] < 0.5 * sigmas[0]


@pytest.mark.parametrize(
  "fields",
  [
    {"start": "balanced", "network": "phi_mlp()"},
    {"start": "balanced", "network": "phi_mlp() + algebraic(degree=2)", "gauss_newton.steps": 1},
    {"continuation": (2,), "network": "low_rank(degree=3, rank=2)", "gauss_newton.steps": 1},
  ],
)
def test_only_algebraic_metrics_start_from_balanced_ones_or_lower_degrees(fields):
  with pytest.raises(UserError, match="for algebraic networks"):
    runs.open_run(_config(**fields), 0, jnp.dtype("float64"))
