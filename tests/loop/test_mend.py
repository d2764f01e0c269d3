"""A metric that is indefinite between the sampled points is found, mended or shrunk, or fails."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from configs import fermat_cubic
from trainer import load_metric
from trainer.certificate import certify
from trainer.devices import parallel
from trainer.loop import mend
from trainer.loop import state as states
from trainer.loop.job import Job
from trainer.points import dataset
from trainer.problem.evaluation import Evaluator
from trainer.run import checkpoint, mending, metrics
from trainer.run import run as runs
from trainer.run.checkpoints import Checkpoints
from trainer.run.host import Host

_POINTS = 200


def _config(**fields) -> ml_collections.ConfigDict:
  config = fermat_cubic.get_config()
  config.network, config.steps = "algebraic(degree=2) + phi_mlp(widths=(8,))", 0
  config.data.train_points, config.data.heldout_points = 1000, _POINTS
  config.gauss_newton.steps = 20
  config.update_from_flattened_dict(fields)
  return config


def _job(config, workdir: pathlib.Path, data_dir: pathlib.Path) -> Job:
  run = runs.open_run(config, 0, jnp.dtype("float64"))
  checkpoint.claim_workdir(workdir, run.identity, write=True)
  mesh = parallel.make_mesh(jax.devices()[:1])
  source = run.problem.source("validation", 0, data_dir, mesh, run.dtype)
  return Job(
    run,
    mesh,
    "shard_map",
    workdir,
    data_dir,
    2**28,
    dataset.load(source, _POINTS),
    metrics.MetricsWriter(workdir / "metrics.jsonl", enabled=True),
    metrics.Progress(enabled=False),
    0.0,
    Host(),
  )


def _indefinite(job: Job, splits):
  """A state whose metric is positive at the points of these splits, and not everywhere."""
  problem, state = job.run.problem, states.first_state(job.run)
  trained = problem.trained(state.params)
  rng = np.random.default_rng(5)
  bent = jax.tree.map(lambda a: rng.normal(size=a.shape), dict(trained["network"]))
  last = max(bent)
  evaluate = Evaluator(problem.values, job.mesh, 2**28)
  sources = [problem.source(s, 0, job.data_dir, job.mesh, jnp.float64) for s in splits]
  batches = [dataset.load(source, _POINTS).batch for source in sources]

  def params(size):
    network = bent | {last: jax.tree.map(lambda a: size * a, bent[last])}
    return problem.with_trained(state.params, trained | {"network": network})

  def least(size):
    return min(evaluate(params(size), b, _POINTS)["relative_eigenvalue"].min() for b in batches)

  low, high = 0.0, 1.0
  while least(high) > 0:
    high *= 2
  for _ in range(40):
    middle = (low + high) / 2
    low, high = (middle, high) if least(middle) > 0 else (low, middle)
  assert 0 < least(low) < 1e-6
  return state._replace(params=params(low))


def test_an_indefinite_place_between_the_points_fails(tmp_path, data_dir, without_pictures):
  job = _job(_config(), tmp_path, data_dir)
  state = _indefinite(job, ["heldout"])
  certificate = certify.certify(
    job.run, state, workdir=tmp_path, mesh=job.mesh, data_dir=data_dir, memory=2**28
  )
  sampled = certificate["measures"]["min_relative_eigenvalue"]["value"]
  (worst, *_) = certificate["worst_places"]["min_relative_eigenvalue"]
  assert sampled > 0 > worst["value"]
  # What is certified are held-out points, on which nothing was trained.
  means = {
    split: dataset.load(job.source(split), _POINTS).mean_weight
    for split in ("heldout", "validation", "train")
  }
  measured = certificate["measures"]["omega_integral"]["value"]
  np.testing.assert_allclose(measured, means["heldout"], rtol=1e-12)
  assert len(set(means.values())) == 3
  lines = {line["name"]: line for line in certificate["verdict"]["lines"]}
  assert not certificate["verdict"]["passed"] and not lines["positive definite"]["passed"]
  assert lines["positive definite"]["value"] == worst["value"]
  assert "not positive definite" in certificate["positivity"]["statement"]
  z = np.array(worst["z"]) @ np.array([1, 1j])
  assert abs(np.sum(z**3)) < 1e-10
  assert "FAIL" in (tmp_path / "report.html").read_text()


def test_it_goes_back_into_training(tmp_path, data_dir):
  job = _job(_config(), tmp_path, data_dir)
  state = _indefinite(job, ["validation"])
  run, state = mend.mend(job, state, mend._bad_places(job, job.run, state))
  done = mending.read(tmp_path)
  assert done.rounds == 1 and done.share == 1 and run is job.run and len(done.places) > 0
  # The stream of training points begins with the places and their neighbourhoods.
  job = job._replace(mending=done)
  rows = job.source("train").rows(0, 65, None)
  x = rows.x[0]
  place = done.places[0] / done.places[0][np.argmax(np.abs(done.places[0]))]
  np.testing.assert_allclose(x[:3] + 1j * x[3:], place, atol=1e-10)
  own = job._replace(mending=None).source("train").rows(0, 65, None)
  np.testing.assert_array_equal(rows.weight, own.weight)
  assert not len(mend._bad_places(job, run, state))


def test_what_stays_indefinite_is_shrunk_and_loads_so(tmp_path, data_dir, without_pictures):
  """Without Gauss-Newton there is no further training."""
  fields = {
    "steps": 5,
    "optimizer.warmup_steps": 1,
    "network": "phi_mlp(widths=(8,))",
    "gauss_newton.steps": 0,
  }
  job = _job(_config(**fields), tmp_path, data_dir)
  state = _indefinite(job, ["validation"])
  with Checkpoints(tmp_path, 0, 1) as saved:
    saved.save(5, state, force=True)
  certificate = certify.certify(
    job.run,
    state,
    workdir=tmp_path,
    mesh=job.mesh,
    data_dir=data_dir,
    memory=2**28,
    mend=functools.partial(mend.mend, job, state),
  )
  share = mending.read(tmp_path).share
  assert 0.3 < share < 0.9
  assert certificate["verdict"]["lines"][0]["passed"]
  assert certificate["share"] == share

  batch = jax.tree.map(lambda a: a[:1], job.validation.batch)
  whole = job.run.problem.ansatz.metric(state.params["network"], batch)[0, 0]
  start = batch.fubini_study[0, 0]
  loaded = load_metric(tmp_path)(batch.x[0])[0, 0]
  np.testing.assert_allclose(loaded, start + share * (whole - start), rtol=1e-10)
