"""The main command with Gauss-Newton.

First-order steps, degree continuation, resuming, several processes.
"""

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

_FLAGS = {
  "config": "configs/fermat_cubic.py",
  "config.network": "algebraic(degree=3)",
  "config.continuation": "(2,)",
  "config.steps": 0,
  "config.data.train_points": 2000,
  "config.data.heldout_points": 500,
  "config.gauss_newton.steps": 9,
  "config.gauss_newton.batch_size": 1000,
  "config.gauss_newton.solver": "conjugate_gradient",
  "config.checkpoint_every": 1,
  "dtype": "float64",
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data_dir):
  workdir = tmp_path_factory.mktemp("runs") / "uninterrupted"
  return workdir, succeed(start("train", **_FLAGS, workdir=workdir, data_dir=data_dir))


def test_the_degree_rises_and_sigma_falls(uninterrupted):
  workdir, output = uninterrupted
  assert "algebraic(degree=2)" in output and "algebraic(degree=3)" in output
  rows = history(workdir)
  assert [row["step"] for row in rows] == list(range(len(rows)))
  assert rows[-1]["sigma"] < 0.02 * rows[0]["sigma"]
  sizes = [row["batch_size"] for row in rows[1:]]
  # Ten points for each of the 37 unknowns of degree 2; all of them in the end.
  assert sizes[0] == 368 and 992 in sizes and sizes[-1] == 2000
  assert (workdir / "certificate.json").exists() and (workdir / "report.html").exists()


def test_a_killed_run_resumes_to_the_same_parameters(uninterrupted, tmp_path, data_dir):
  workdir = tmp_path / "killed"
  process = start("train", **_FLAGS, workdir=workdir, data_dir=data_dir)
  signal_once(process, workdir, "1/[0-9]*", signal.SIGKILL)
  assert finish(process)[0] == -signal.SIGKILL
  assert "resumed at step" in succeed(start("train", **_FLAGS, workdir=workdir, data_dir=data_dir))
  jax.tree.map(
    np.testing.assert_array_equal,
    trained_state(workdir).params,
    trained_state(uninterrupted[0]).params,
  )
  assert [row["step"] for row in history(workdir)] == [
    row["step"] for row in history(uninterrupted[0])
  ]


def test_two_processes_follow_one(uninterrupted, tmp_path):
  workdir = tmp_path / "two"
  for process in start_several(2, "train", tmp_path, **_FLAGS, workdir=workdir):
    succeed(process)
  np.testing.assert_allclose(losses(workdir), losses(uninterrupted[0]), rtol=1e-8)


def test_a_corrected_metric_is_loaded_and_resumed_and_two_processes_follow_one(tmp_path, data_dir):
  flags = _FLAGS | {
    "config.network": "algebraic(degree=2) + curvature_mlp(widths=(6,))",
    "config.continuation": "()",
    "config.gauss_newton.steps": 12,
    "config.gauss_newton.solver": "auto",
  }
  output = succeed(start("train", **flags, workdir=tmp_path / "one", data_dir=data_dir))
  assert "d dbar by jets" in output and "Gauss-Newton, curvature_mlp" in output
  rows, state = history(tmp_path / "one"), trained_state(tmp_path / "one")
  (started,) = [row["sigma"] for row in rows if row["step"] == rows[-1]["step"] - 12]
  assert rows[-1]["sigma"] < 0.5 * started
  # The metric that is loaded is the one that was certified.
  evaluated = succeed(start("evaluate", workdir=tmp_path / "one", data_dir=data_dir))
  assert [line for line in evaluated.splitlines() if line.startswith("sigma  ")] == [
    line for line in output.splitlines() if line.startswith("sigma  ")
  ]

  process = start("train", **flags, workdir=tmp_path / "killed", data_dir=data_dir)
  signal_once(process, tmp_path / "killed", "1/[0-9]*", signal.SIGKILL)
  assert finish(process)[0] == -signal.SIGKILL
  assert "resumed at step" in succeed(
    start("train", **flags, workdir=tmp_path / "killed", data_dir=data_dir)
  )
  jax.tree.map(
    np.testing.assert_array_equal, trained_state(tmp_path / "killed").params, state.params
  )

  for process in start_several(2, "train", tmp_path, **flags, workdir=tmp_path / "two"):
    succeed(process)
  np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-8)


def test_gauss_newton_finishes_what_adam_began(tmp_path, data_dir):
  flags = _FLAGS | {
    "config.network": "phi_mlp(widths=(8,), activation='gelu')",
    "config.continuation": "()",
    "config.steps": 20,
    "config.optimizer.warmup_steps": 5,
    "config.optimizer.learning_rate": 0.01,
    "config.gauss_newton.solver": "auto",
    "config.evaluate_every": 20,
  }
  output = succeed(start("train", **flags, workdir=tmp_path / "run", data_dir=data_dir))
  assert "parameter_space" in output
  rows = history(tmp_path / "run")
  (adam,) = [row["sigma"] for row in rows if row["step"] == 20]
  assert rows[-1]["step"] > 20 and rows[-1]["sigma"] < 0.3 * adam


@pytest.mark.parametrize(
  "flags, message",
  [
    ({"config.gauss_newton.steps": 0}, "nothing to train"),
    ({"config.continuation": "(3,)"}, "rising degrees"),
    ({"config.network": "phi_mlp(widths=(4,))"}, "rising degrees"),
    ({"config.gauss_newton.solver": "magic"}, "parameter_space"),
    ({"config.network": "algebraic(degree=0)", "config.continuation": "()"}, "degree = 0"),
  ],
)
def test_wrong_settings_are_told_in_one_line(flags, message, tmp_path, data_dir):
  status, stdout, stderr = finish(
    start("train", **(_FLAGS | flags), workdir=tmp_path / "run", data_dir=data_dir)
  )
  assert status == 1 and stdout == ""
  assert len(stderr.splitlines()) == 1 and message in stderr
