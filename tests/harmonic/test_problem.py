"""A harmonic form by a network on the loops of metrics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer import default_config, variety
from trainer.errors import UserError
from trainer.geometry.description import make_variety
from trainer.harmonic.problem import HarmonicProblem, harmonic_problem
from trainer.loop import train
from trainer.metric.problem import MetricProblem
from trainer.run.metrics import read_history

_NETWORK = "phi_mlp(widths=(16, 16))"


def _config():
  config = default_config()
  config.variety = variety((1, 1), ((2,), (2,)), moduli=(1.0, 2.0))
  config.problem = f"{__file__}:on_fubini_study"
  config.network = _NETWORK
  config.data.train_points = config.data.heldout_points = 640
  config.gauss_newton.steps = 15
  return config


def on_fubini_study(config, network, squares, form=1):
  """dg/dt_1 of the Fubini-Study metric of a curve, where harmonic forms are multiples of g."""
  metric = MetricProblem(make_variety(config), "phi_mlp(widths=(2,))")
  params = jax.tree.map(np.asarray, metric.ansatz.init(jax.random.key(0)))
  return HarmonicProblem(metric, params, network, form)


def test_a_network_makes_a_form_harmonic(tmp_path):
  found = train.train(
    _config(),
    workdir=tmp_path,
    seed=0,
    dtype=jnp.dtype("float64"),
    parallelism="shard_map",
    data_dir=None,
    memory=2**28,
  )["measures"]
  before = read_history(tmp_path / "metrics.jsonl")[0]["residual"]
  assert found["residual"]["value"] < 0.2 * before
  # V_i / Vol of a curve of bidegree (2, 2), Vol = 2 t_1 + 2 t_2.
  assert found["trace"]["exact"] == pytest.approx(2 / 6)
  for name in ("trace", "harmonic_product"):
    off = found[name]["value"] - found[name]["exact"]
    assert abs(off) < 4 * found[name]["stderr"], name
  excess = found["product"]["value"] - found["harmonic_product"]["value"]
  residual = found["residual"]["value"]
  np.testing.assert_allclose(excess, 6 * (residual / 3) ** 2, rtol=1e-9)


def test_what_is_no_form_is_refused_in_a_line():
  config = _config()
  with pytest.raises(UserError, match="needs metric='DIRECTORY'"):
    harmonic_problem(config, _NETWORK, True)
  with pytest.raises(UserError, match="nowhere"):
    harmonic_problem(config, _NETWORK, True, metric="nowhere")
  with pytest.raises(UserError, match="one of the 2 Kaehler moduli"):
    on_fubini_study(config, _NETWORK, True, form=2)
  with pytest.raises(UserError, match="one network"):
    on_fubini_study(config, f"{_NETWORK} + {_NETWORK}", True)
