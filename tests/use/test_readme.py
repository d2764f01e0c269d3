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
from trainer.errors import UserError

_README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def examples(tmp_path_factory, data_dir):
  """What the section's blocks define, of a small run in two dimensions in place of theirs."""
  workdir = tmp_path_factory.mktemp("run")
  config = k3_quartic.get_config()
  config.network = "algebraic(degree=1)"
  config.data.train_points = config.data.heldout_points = 600
  config.gauss_newton.steps = 2
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


def test_christoffel_symbols_are_those_of_the_jets(examples):
  assert examples["gamma"].shape == (5, 2, 2, 2)
  np.testing.assert_allclose(
    examples["gamma"], examples["found"].christoffel, rtol=1e-8, atol=1e-10
  )


def test_the_geodesic_keeps_its_energy(examples):
  assert abs(examples["drift"]) < 1e-8
  u = examples["path"].ys[0][-1]
  assert np.linalg.norm(u - examples["chart"].u) > 0.01


def test_a_conformal_change_is_not_kaehler(examples):
  """Ric(e^f g) = Ric(g) - n d dbar f, of the Chern connection."""
  chart, mine = examples["chart"], examples["mine"]
  own = curvature_of(chart.metric, chart.u)
  assert own.kaehler_error < 1e-12 and mine.kaehler_error > 1e-2
  np.testing.assert_allclose(own.ricci, examples["found"].ricci[0], rtol=1e-8, atol=1e-10)

  def f(u):
    z = chart.point(u)
    return jnp.abs(z[0]) ** 2 / jnp.sum(jnp.abs(z) ** 2)

  hessian = jax.jit(jax.hessian(f))(chart.u)
  wirtinger = np.concatenate([np.eye(2), -1j * np.eye(2)], axis=1) / 2
  bend = wirtinger @ hessian @ wirtinger.conj().T
  # The trace is over the pair (a, b) of R_{a bbar c dbar}: the determinant's.
  np.testing.assert_allclose(mine.ricci, own.ricci - 2 * bend, rtol=1e-8, atol=1e-10)


def test_what_is_no_metric_is_refused(examples):
  u = examples["chart"].u
  metric = examples["chart"].metric
  with pytest.raises(UserError, match="not Hermitian: at point 0 .* conjugate transpose by"):
    curvature_of(lambda u: metric(u) + jnp.array([[0, 1e-3], [0, 0]]), u)
  with pytest.raises(UserError, match=r"has shape \(\), not \(2, 2\)"):
    curvature_of(lambda u: jnp.sum(u), u)
