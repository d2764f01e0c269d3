"""The README's Python section runs as printed, and its numbers are right."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import k3_quartic
import trainer
from trainer import curvature_of
from trainer.curvature import autodiff
from trainer.errors import UserError

_README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def examples(tmp_path_factory, data_dir):
  """What the section's blocks define, of a small run in two dimensions, not certified."""
  workdir = tmp_path_factory.mktemp("run")
  config = k3_quartic.get_config()
  config.network = "algebraic(degree=1)"
  config.data.train_points = config.data.heldout_points = 600
  config.gauss_newton.steps = 2
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr("trainer.certificate.certify.certify", lambda *arguments, **settings: None)
    trainer.train(
      config,
      workdir=workdir,
      seed=0,
      dtype=jnp.dtype("float64"),
      parallelism="shard_map",
      data_dir=data_dir,
      memory=2**30,
    )
  section = _README.read_text().split("## Use the metric")[1].split("\n## ")[0]
  blocks = re.findall(r"```python\n(.*?)```", section, re.S)
  names = {}
  for block in blocks:
    block = block.replace("runs/fermat_quintic", str(workdir)).replace("1000", "5")
    exec(compile(block, "README.md", "exec"), names)
  return names


def test_the_section_runs_as_printed(examples):
  found, chart, mine = (examples[name] for name in ("found", "chart", "mine"))
  assert examples["gamma"].shape == (5, 2, 2, 2)
  np.testing.assert_allclose(examples["gamma"], found.christoffel, rtol=1e-8, atol=1e-10)

  # The geodesic leads somewhere and keeps its energy.
  assert np.linalg.norm(examples["path"].ys[0][-1] - chart.u) > 0.01
  assert abs(examples["drift"]) < 1e-8

  # Ric(e^f g) = Ric(g) - n d dbar f, of the Chern connection, which has torsion.
  assert jax.jit(autodiff.kaehler_error(chart.metric))(chart.u) < 1e-12
  assert mine.kaehler_error > 1e-2

  def f(u):
    z = chart.point(u)
    return jnp.abs(z[0]) ** 2 / jnp.sum(jnp.abs(z) ** 2)

  hessian = jax.jit(jax.hessian(f))(chart.u)
  wirtinger = np.concatenate([np.eye(2), -1j * np.eye(2)], axis=1) / 2
  bend = wirtinger @ hessian @ wirtinger.conj().T
  np.testing.assert_allclose(mine.ricci, found.ricci[0] - 2 * bend, rtol=1e-8, atol=1e-10)


def test_a_metric_that_is_given_again_compiles_once():
  traces = []

  def metric(u):
    traces.append(u)
    return jnp.eye(2) * (1 + u[0] ** 2) + 0j

  curvature_of(metric, jnp.arange(4.0))
  first = len(traces)
  curvature_of(metric, jnp.ones(4))
  assert len(traces) == first


def test_what_is_no_metric_is_refused():
  u = jnp.arange(4.0)
  with pytest.raises(UserError, match="not Hermitian: at point 0 .* conjugate transpose by 0.001"):
    curvature_of(lambda u: jnp.array([[1, 1e-3], [0, 1 + 0j]]), u)
  with pytest.raises(UserError, match=r"has shape \(\), not \(2, 2\)"):
    curvature_of(lambda u: jnp.sum(u), u)
