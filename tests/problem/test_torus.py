"""The contract carries: another problem on the same loops, solvers, checkpoints and certificate."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.problem import torus
from trainer.devices import parallel
from trainer.loop import train
from trainer.loop.state import load_state
from trainer.run import metrics
from trainer.run.config import default_config
from trainer.run.run import load_run

_ADAM, _SOLVER = 40, "gauss_newton.solver"


def _config(components, **fields):
  config = default_config()
  config.problem = f"{pathlib.Path(torus.__file__)}:TorusPoisson(components={components})"
  config.network = "none"
  config.update_from_flattened_dict(
    {
      "data.train_points": 512,
      "data.heldout_points": 256,
      "batch_size": 64,
      "steps": _ADAM,
      "optimizer.learning_rate": 0.1,
      "optimizer.warmup_steps": 1,
      "evaluate_every": _ADAM,
      "gauss_newton.steps": 4,
      "gauss_newton.momentum": 0.0,
      "gauss_newton.damping": 1e-7,
      **fields,
    }
  )
  return config


def _train(config, workdir, devices, monkeypatch):
  make_mesh = parallel.make_mesh
  few = lambda chosen=None: make_mesh(chosen or jax.devices()[:devices])
  monkeypatch.setattr(parallel, "make_mesh", few)
  certificate = train.train(
    config,
    workdir=workdir,
    seed=0,
    dtype=jnp.dtype("float64"),
    parallelism="shard_map",
    data_dir=workdir,
    memory=2**28,
  )
  monkeypatch.setattr(parallel, "make_mesh", make_mesh)
  return certificate, metrics.read_history(workdir / "metrics.jsonl")


@pytest.mark.parametrize(
  "components, solver",
  [(1, "parameter_space"), (2, "sample_space"), (2, "conjugate_gradient")],
)
def test_poisson_on_a_torus_by_adam_and_gauss_newton(components, solver, tmp_path, monkeypatch):
  histories = []
  for devices in (1, 4):
    workdir = tmp_path / str(devices)
    config = _config(components, **{_SOLVER: solver, "gauss_newton.tolerance": 1e-12})
    certificate, history = _train(config, workdir, devices, monkeypatch)
    histories.append([row["residual"] for row in history if "residual" in row])
    assert json.loads((workdir / "certificate.json").read_text()) == certificate
  for history in histories:
    # Adam comes closer, one Gauss-Newton step solves what is linear.
    assert history[1] < 0.3 * history[0]
    assert history[-1] < 1e-12 * history[0]
  np.testing.assert_allclose(histories[1][:2], histories[0][:2], rtol=1e-9)
  assert "manifold" not in certificate and certificate["measures"]["residual"]["value"] < 1e-9
  assert "batch_first" in history_keys(workdir)
  run = load_run(workdir)
  found = load_state(run, workdir).params["coefficients"]
  np.testing.assert_allclose(found, run.problem.solution, atol=1e-5)


def history_keys(workdir):
  return {key for row in metrics.read_history(workdir / "metrics.jsonl") for key in row}
