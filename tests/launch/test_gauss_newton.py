"""The main command with Gauss-Newton: degrees, a correction, resuming, several processes."""

import json
import re
import signal

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
  assert all(row["flops_per_second"] > 0 for row in rows if "iterations" in row)
  sizes = [row["batch_size"] for row in rows[1 : corrected + 1]]
  # Ten equations for each of the 10 unknowns of degree 1, three a point; all points in the end.
  assert sizes[0] == 32 and sizes[-1] == 2000
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


def test_a_run_goes_on_on_any_number_of_processes_and_devices(uninterrupted, tmp_path, data_dir):
  """Two of two with pmap, stopped by SIGTERM to one; one of one, killed; one of four to the end."""
  workdir = tmp_path / "elastic"
  flags = _FLAGS | {"workdir": workdir}
  pair = start_several(2, "train", tmp_path, parallelism="pmap", without="certificate", **flags)
  signal_once(pair[1], workdir, "0/[0-9]*", signal.SIGTERM)
  for status, _, text in map(finish, pair):
    assert status == 3 and "Traceback" not in text, text
    assert "error: stopped by a termination signal" in text, text
  alone = start("train", **flags, data_dir=data_dir, without="certificate")
  signal_once(alone, workdir, "2/[0-9]*", signal.SIGKILL)
  assert finish(alone)[0] == -signal.SIGKILL
  four = start("train", devices=4, **flags, data_dir=data_dir, without="certificate")
  assert "resumed at step" in succeed(four)

  reference = uninterrupted[0]
  np.testing.assert_allclose(losses(workdir), losses(reference), rtol=1e-9)
  assert [row["step"] for row in history(workdir)] == [row["step"] for row in history(reference)]
  z = load_run(reference).points(3, seed=5).z
  expected = load_metric(reference)(z)
  np.testing.assert_allclose(load_metric(workdir)(z), expected, rtol=1e-9)
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
