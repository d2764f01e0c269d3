"""The main command with Gauss-Newton: degrees, a correction, resuming, several processes."""

import json
import re
import signal

import jax
import numpy as np
import pytest

from tests.launch.commands import (
  finish,
  history,
  losses,
  signal_once,
  start,
  start_several,
  succeed,
  trained_state,
)
from trainer import load_metric, load_run

_FLAGS = {
  "config": "configs/fermat_cubic.py",
  "config.network": "algebraic(degree=2) + curvature_mlp(widths=(6,))",
  "config.continuation": "(1,)",
  "config.steps": 0,
  "config.data.train_points": 2000,
  "config.data.heldout_points": 500,
  "config.gauss_newton.steps": 12,
  "config.gauss_newton.batch_size": 2000,
  "config.checkpoint_every": 1,
  "dtype": "float64",
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data_dir):
  workdir = tmp_path_factory.mktemp("runs") / "uninterrupted"
  flags = _FLAGS | {"workdir": workdir, "data_dir": data_dir}
  return workdir, succeed(start("train", without="pictures", **flags))


def test_the_degree_rises_and_sigma_falls(uninterrupted):
  workdir, output = uninterrupted
  assert "algebraic(degree=1)" in output and "algebraic(degree=2)" in output
  assert "d dbar by jets" in output and "Gauss-Newton, curvature_mlp" in output
  rows = history(workdir)
  assert [row["step"] for row in rows] == list(range(len(rows)))
  corrected = int(re.search(r"Gauss-Newton, curvature_mlp (\d+)/", output)[1]) - 1
  (algebraic,) = [row["sigma"] for row in rows if row["step"] == corrected]
  assert algebraic < 0.02 * rows[0]["sigma"] and rows[-1]["sigma"] < 0.8 * algebraic
  sizes = [row["batch_size"] for row in rows[1 : corrected + 1]]
  # Ten points for each of the 10 unknowns of degree 1; all of them in the end.
  assert sizes[0] == 96 and sizes[-1] == 2000
  assert (workdir / "report.html").exists()
  # curvature_mlp has no (2, 2) jets.
  euler = json.loads((workdir / "certificate.json").read_text())["measures"]["euler"]
  assert euler["exact"] == 0 and abs(euler["value"]) < 4 * euler["stderr"] < 1


def test_the_metric_that_is_loaded_is_the_one_that_was_certified(uninterrupted):
  """sigma = < |1 - eta| > of it, at held-out points, on which nothing was trained."""
  run = load_run(uninterrupted[0])
  points = run.points(500, seed=0)
  eta = run.metric(points.z)[:, 0, 0].real / points.omega_squared
  mean = lambda values: np.average(values, weights=points.weight)
  certified = run.certificate["measures"]["sigma"]["value"]
  np.testing.assert_allclose(mean(np.abs(1 - eta / mean(eta))), certified, rtol=1e-8)


def test_a_killed_run_resumes_to_the_same_parameters(uninterrupted, tmp_path, data_dir):
  """Killed first between two degrees, then in the correction."""
  workdir = tmp_path / "killed"
  flags = _FLAGS | {"workdir": workdir, "data_dir": data_dir, "without": "certificate"}
  for checkpoint in ("1/[0-9]*", "2/[0-9]*"):
    process = start("train", **flags)
    signal_once(process, workdir, checkpoint, signal.SIGKILL)
    assert finish(process)[0] == -signal.SIGKILL
  assert "resumed at step" in succeed(start("train", **flags))
  jax.tree.map(
    np.testing.assert_array_equal,
    trained_state(workdir).params,
    trained_state(uninterrupted[0]).params,
  )
  assert [row["step"] for row in history(workdir)] == [
    row["step"] for row in history(uninterrupted[0])
  ]


def test_two_processes_follow_one(uninterrupted, tmp_path):
  """With pmap; test_train.py has two processes with shard_map.

  The metric of their four devices loads on one, in another precision and without their points.
  """
  workdir = tmp_path / "two"
  flags = _FLAGS | {"parallelism": "pmap", "workdir": workdir, "without": "certificate"}
  for process in start_several(2, "train", tmp_path, **flags):
    succeed(process)
  np.testing.assert_allclose(losses(workdir), losses(uninterrupted[0]), rtol=1e-8)
  z = load_run(uninterrupted[0]).points(3, seed=5).z
  expected = load_metric(uninterrupted[0])(z)
  got = load_metric(workdir)(z.astype(np.complex64))
  assert got.dtype == np.complex64
  np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_gauss_newton_finishes_what_adam_began(tmp_path, data_dir):
  flags = _FLAGS | {
    "config.network": "phi_mlp(widths=(8,), activation='gelu')",
    "config.continuation": "()",
    "config.steps": 20,
    "config.optimizer.warmup_steps": 5,
    "config.optimizer.learning_rate": 0.01,
    "config.evaluate_every": 20,
    "workdir": tmp_path / "run",
    "data_dir": data_dir,
  }
  output = succeed(start("train", without="certificate", **flags))
  assert "parameter_space" in output
  rows = history(tmp_path / "run")
  (adam,) = [row["sigma"] for row in rows if row["step"] == 20]
  assert rows[-1]["step"] > 20 and rows[-1]["sigma"] < 0.3 * adam
