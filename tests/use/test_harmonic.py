"""Harmonic (1, 1) forms and curvatures of bundles of a run as ordinary JAX functions."""

import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry.varieties import some_points
from trainer import default_config, variety
from trainer.errors import UserError
from trainer.geometry.description import make_variety
from trainer.harmonic import solve
from trainer.quadrature import of_run
from trainer.use.fields import Fields
from trainer.use.run import TrainedRun

_MODULI = (1.0, 2.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """A curve with some metric, and functions u_i with sum_i t_i u_i = 0."""
  config = default_config()
  config.variety = variety((1, 1), ((2,), (2,)), moduli=_MODULI)
  fields = Fields(make_variety(config), "phi_mlp(widths=(4,))")
  params = jax.tree.map(np.asarray, fields.ansatz.init(jax.random.key(0)))
  workdir = tmp_path_factory.mktemp("run")
  h = np.random.default_rng(0).normal(size=(4, 4))
  forms = 0.01 * np.stack([2 * h, -h])
  np.savez(workdir / solve.FILE, degree=1, h=forms, metric=of_run.digest(params))
  return TrainedRun(fields, params, workdir)


@pytest.fixture(scope="module")
def z(run):
  return jnp.asarray(some_points(run.variety, 5))


def test_forms_add_up_to_the_metric(run, z):
  first, second = (run.harmonic_11(i)(z) for i in (0, 1))
  metric = run.metric(z)
  np.testing.assert_allclose(first + 2 * second, metric, rtol=1e-9)
  assert abs(first / metric - first[0] / metric[0]).max() > 1e-3
  np.testing.assert_allclose(run.nearby(_MODULI)(z), metric, rtol=1e-9)
  np.testing.assert_allclose(run.nearby((1.5, 2.0))(z), metric + 0.5 * first, rtol=1e-9)
  np.testing.assert_allclose(run.bundle((1, -1))(z), math.pi * (first - second), rtol=1e-9)


def test_forms_are_functions_in_charts_and_of_points(run, z):
  form = run.harmonic_11(0)
  chart = run.chart(z[0])
  np.testing.assert_allclose(form(z[0]), form.in_chart(chart)(chart.u), rtol=1e-9)
  again = pickle.loads(pickle.dumps(form))
  np.testing.assert_allclose(again(z * jnp.array([2j, 2j, -3, -3])), form(z), rtol=1e-9)


def test_what_there_is_not_is_told(run, tmp_path):
  with pytest.raises(UserError, match="one number for each"):
    run.nearby((1.0,))
  with pytest.raises(UserError, match="--harmonic makes them"):
    TrainedRun(run.fields, run.params, tmp_path).harmonic_11(0)
