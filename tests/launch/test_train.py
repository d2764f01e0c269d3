"""The main command end to end: certificate, resume, preemption, several processes."""

import json
import os
import re
import shutil
import signal
import time

from absl.testing import flagsaver
import jax
import numpy as np
import pytest

from launch import cli
from tests.launch.commands import (
  TINY,
  compare_certificates,
  finish,
  history,
  losses,
  process_of,
  signal_once,
  start,
  start_cluster,
  succeed,
  trained_state,
)
from trainer.certificate.verdict import FailedError

_FLAGS = TINY | {"dtype": "float64"}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, data_dir):
  """A finished run, and what it printed."""
  workdir = tmp_path_factory.mktemp("runs") / "uninterrupted"
  return workdir, succeed(start("train", **_FLAGS, workdir=workdir, data_dir=data_dir))


def _params(workdir):
  state = trained_state(workdir)
  assert int(state.step) == TINY["config.steps"]
  return state.params


def _assert_equal_runs(workdir, reference):
  jax.tree.map(np.testing.assert_array_equal, _params(workdir), _params(reference))
  assert losses(workdir)[-1] == losses(reference)[-1]
  assert [row["step"] for row in history(workdir)] == [row["step"] for row in history(reference)]


def _assert_the_same_work(several, alone):
  """Rows of four devices and of one: as much arithmetic a point, and now there is communication."""
  several_flops, flops = (
    row["flops_per_second"] / row["points_per_second"] for row in (several, alone)
  )
  np.testing.assert_allclose(several_flops, flops, rtol=0.1)
  assert several["communication_share"] > 0 == alone["communication_share"]
  np.testing.assert_allclose(several["step_seconds"] * several["points_per_second"], 64)


def test_a_run_ends_with_a_certificate(uninterrupted):
  workdir, output = uninterrupted
  certificate = json.loads((workdir / "certificate.json").read_text())
  measures = certificate["measures"]
  for name in (
    "sigma",
    "E",
    "max_abs_eta_minus_1",
    "min_relative_eigenvalue",
    "volume",
    "kappa",
    "omega_integral",
    "euler",
    "kaehler_error",
    "cocycle_error",
  ):
    assert set(measures[name]) == {"value", "stderr", "exact"}
  assert measures["sigma"]["value"] < certificate["fubini_study"]["sigma"]["value"]
  assert measures["sigma"]["exact"] is None
  assert measures["volume"]["exact"] == 3
  assert abs(measures["volume"]["value"] - 3) < 5 * measures["volume"]["stderr"]
  assert measures["omega_integral"]["exact"] == pytest.approx(2.70287609, rel=1e-8)
  assert certificate["run"]["seed"] == 0
  assert certificate["run"]["config"]["steps"] == TINY["config.steps"]
  assert "<img" in (workdir / "report.html").read_text()
  assert "sigma" in output and "Traceback" not in output
  stages = (
    "checking the manifold",
    "compiling the sampler",
    "compiling what is measured",
    "compiling a step",
    "measuring on 500 held-out points",
    "searching for the worst places",
    "writing the report",
  )
  for stage in stages:
    assert f"\n{stage}\n" in f"\n{output}"
  assert "Gloo" not in output and "WARNING" not in output


def test_history_starts_at_fubini_study_and_falls(uninterrupted):
  rows = history(uninterrupted[0])
  assert [r["step"] for r in rows] == [0, *range(5, 61, 5)]
  sigmas = [r["sigma"] for r in rows if "sigma" in r]
  assert len(sigmas) == 4 and sigmas[-1] < 0.5 * sigmas[0]
  certificate = json.loads((uninterrupted[0] / "certificate.json").read_text())
  # The loop measures on points of its own.
  sigma = certificate["measures"]["sigma"]
  assert abs(sigma["value"] - sigmas[-1]) < 5 * 2**0.5 * sigma["stderr"]
  assert np.all(np.diff([r["seconds"] for r in rows]) > 0)


def test_killed_and_preempted_runs_resume_to_the_same_parameters(uninterrupted, tmp_path, data_dir):
  workdir = tmp_path / "killed"
  flags = _FLAGS | {"workdir": workdir, "data_dir": data_dir, "without": "certificate"}
  process = start("train", **flags)
  signal_once(process, workdir, "0/20", signal.SIGKILL)
  assert finish(process)[0] == -signal.SIGKILL

  process = start("train", **flags)
  signal_once(process, workdir, "0/40", signal.SIGTERM)
  status, stdout, stderr = finish(process)
  assert "resumed at step" in stdout + stderr
  if status:  # The signal may also arrive after the last step.
    assert status == 3 and "Traceback" not in stderr
    assert "error: stopped by a termination signal" in stderr
  assert "resumed at step" in succeed(start("train", **flags))
  _assert_equal_runs(workdir, uninterrupted[0])


def test_two_processes_train_as_one_though_one_is_lost(uninterrupted, tmp_path, data_dir):
  """The other stops, in one line, and both go on from the last checkpoint."""
  workdir = tmp_path / "two"
  flags = _FLAGS | {"workdir": workdir, "data_dir": data_dir}
  cluster = start_cluster(2, "train", max_restarts=1, without="pictures", **flags)
  while not list(workdir.glob("checkpoints/0/20")):
    assert cluster.poll() is None, cluster.stderr.read()
    time.sleep(0.005)
  os.kill(process_of(workdir, 1), signal.SIGKILL)
  output = succeed(cluster)
  lost = "error: process 1 was lost: no sign of life; the same command goes on from the last"
  assert output.count(lost) == 1 and "stopped with status 4: starting all" in output
  assert "resumed at step" in output and "sigma" in output
  assert not re.search("Gloo|Traceback|WARNING|    @", output)
  assert "Gloo" in (workdir / "log_0.txt").read_text()
  np.testing.assert_allclose(losses(workdir), losses(uninterrupted[0]), rtol=1e-9)
  _assert_the_same_work(history(workdir)[-1], history(uninterrupted[0])[-1])
  compare_certificates(workdir, uninterrupted[0])


def test_networks_from_outside_the_repository(tmp_path, data_dir):
  (tmp_path / "mine.py").write_text(
    "import haiku as hk\n"
    "import jax.numpy as jnp\n"
    "def phi(x, scale):\n"
    "  z = x[:3] + 1j * x[3:]\n"
    "  s = jnp.abs(z) ** 2 / jnp.sum(jnp.abs(z) ** 2)\n"
    "  return scale * hk.Linear(1)(jnp.tanh(hk.Linear(8)(s)))[0]\n"
  )
  flags = TINY | {"config.network": f"{tmp_path}/mine.py:phi(scale=0.1)"}
  flags |= {"workdir": tmp_path / "run", "data_dir": data_dir, "profile_steps": "4:6"}
  output = succeed(start("train", without="pictures", **flags))
  assert "general" in output
  assert list((tmp_path / "run" / "profile").rglob("*.xplane.pb"))
  rows = history(tmp_path / "run")
  assert rows[-1]["loss"] < 0.9 * rows[1]["loss"]
  certificate = json.loads((tmp_path / "run" / "certificate.json").read_text())
  euler = certificate["measures"]["euler"]
  assert euler["exact"] == 0 and abs(euler["value"]) < 4 * euler["stderr"] < 1
  assert certificate["histograms"]["riemann_squared"]["weights"]


def test_a_non_finite_loss_stops_the_run(tmp_path, data_dir):
  flags = TINY | {"config.optimizer.learning_rate": 1e30, "config.optimizer.warmup_steps": 3}
  status, _, stderr = finish(start("train", **flags, workdir=tmp_path / "run", data_dir=data_dir))
  assert status == 1 and "Traceback" not in stderr
  # The warm-up starts at rate 0, so the first update is that of step 2 and the loss of
  # step 3 explodes.
  assert re.search(r"error: the loss is not finite since step [345]:", stderr)
  assert (tmp_path / "run").is_dir() and not list(tmp_path.glob("run/checkpoints/0/*"))
  assert "checkpoint" not in stderr.splitlines()[-1]


def test_a_network_that_gives_no_numbers_is_named_as_the_cause(tmp_path, data_dir):
  (tmp_path / "mine.py").write_text(
    "import jax.numpy as jnp\n"
    "def phi(x):\n"
    "  s = (x[:3] ** 2 + x[3:] ** 2) / (x @ x)\n"
    "  return jnp.sqrt(s[0] - s[0])\n"
  )
  flags = TINY | {"config.network": f"{tmp_path}/mine.py:phi", "config.steps": 0}
  flags |= {"config.gauss_newton.steps": 3, "workdir": tmp_path / "run", "data_dir": data_dir}
  status, _, stderr = finish(start("train", **flags))
  line = stderr.splitlines()[-1]
  assert status == 1 and line.startswith("error: the loss is not finite since step 1: before any")
  assert "network" in line and "damping" not in line and "Traceback" not in stderr


def test_another_runs_workdir_is_refused(uninterrupted, data_dir):
  workdir, _ = uninterrupted
  before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
  process = start(
    "train", **(_FLAGS | {"config.steps": 70, "seed": 1}), workdir=workdir, data_dir=data_dir
  )
  status, stdout, stderr = finish(process)
  assert status == 1 and stdout == ""
  *before_it, line = stderr.splitlines()
  assert before_it == ["checking the manifold"]
  assert line.startswith("error: the workdir") and "config.steps is 60 there, 70 here" in line
  assert {path: path.stat().st_mtime_ns for path in workdir.rglob("*")} == before


def test_the_verdict_is_the_exit_status(uninterrupted, tmp_path, data_dir):
  """40 slices are too few to believe a certificate."""
  workdir = shutil.copytree(uninterrupted[0], tmp_path / "run")
  flags = dict(workdir=workdir, data_dir=data_dir, points=120)
  status, stdout, stderr = finish(start("evaluate", without="pictures", **flags))
  assert status == 2 and "FAIL  effective sample size" in stdout
  *_, line = stderr.splitlines()
  assert line.startswith("error: the certificate says FAIL: effective sample size is")
  assert stderr.count("error") == 1 and "config.data.heldout_points" in line
  certificate = json.loads((workdir / "certificate.json").read_text())
  assert certificate["verdict"]["passed"] is False
  assert "FAIL" in (workdir / "report.html").read_text()
  with flagsaver.as_parsed(allow_fail="false"), pytest.raises(FailedError) as failed:
    cli.judge(certificate)
  assert failed.value.status == status
  with flagsaver.as_parsed(allow_fail="true"):
    cli.judge(certificate)
