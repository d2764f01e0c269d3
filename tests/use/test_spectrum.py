"""Eigenfunctions of a run as ordinary JAX functions."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry.varieties import some_points
from trainer import default_config, variety
from trainer.errors import UserError
from trainer.geometry.description import make_variety
from trainer.quadrature import of_run
from trainer.run import checkpoint
from trainer.spectrum import write
from trainer.use.fields import Fields
from trainer.use.run import TrainedRun


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """A cubic curve with |z_0|^2, 1 and sqrt(2) Re conj(z_0) z_1 over |z|^2 for eigenfunctions."""
  config = default_config()
  config.variety = variety((2,), polynomials="z0^3 + z1^3 + z2^3")
  fields = Fields(make_variety(config), "phi_mlp(widths=(4,))")
  params = {"w": np.ones(2)}
  workdir = tmp_path_factory.mktemp("run")
  forms = np.zeros((3, 3, 3))
  forms[0, 0, 0] = forms[2, 0, 1] = 1
  forms[1] = np.eye(3)
  arrays = dict(degree=1, values=[1.0, 2.0, 2.0], level=[0, 1, 1], forms=forms)
  checkpoint.write_arrays(workdir / write.FILE, arrays | {"metric": of_run.digest(params)})
  return TrainedRun(fields, params, workdir)


def test_eigenfunctions_are_functions_of_points_and_in_charts(run):
  z = some_points(run.variety, 3)
  unit = z / np.linalg.norm(z, axis=1, keepdims=True)
  a, b = unit[:, 0], unit[:, 1]
  expected = [np.abs(a) ** 2, np.ones(3), 2**0.5 * (a.conj() * b).real]
  found = run.spectrum(2j * z)
  np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-9, atol=1e-12)
  again = pickle.loads(pickle.dumps(run.spectrum))
  chart = run.chart(z[1])
  inside = again.in_chart(chart)
  np.testing.assert_allclose(jax.jit(inside)(chart.u), found[1], rtol=1e-9)
  assert inside(jnp.asarray(chart.u, jnp.float32)).dtype == jnp.float32
  np.testing.assert_allclose(again.of_level(1)(z), found[:, 1:], rtol=1e-9)


def test_what_there_is_not_is_told(run, tmp_path):
  with pytest.raises(UserError, match="levels are 0, .., 1"):
    run.spectrum.of_level(2)
  with pytest.raises(UserError, match="--spectrum makes it"):
    TrainedRun(run.fields, run.params, tmp_path).spectrum
  with pytest.raises(UserError, match="--spectrum makes it"):
    TrainedRun(run.fields, {"w": np.zeros(2)}, run.workdir).spectrum
