"""A run directory of an older format: stored when checkpoints had another layout."""

import json
import pathlib
import tarfile

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from trainer import load_metric
from trainer.errors import UserError
from trainer.loop import train
from trainer.loop.state import load_state
from trainer.run import checkpoint
from trainer.run.run import load_run


@pytest.fixture
def old_run(tmp_path):
  """Steps 4 of 4 by Adam, 1 of 2 by Gauss-Newton; its certificate is of the finished run."""
  with tarfile.open(pathlib.Path(__file__).with_name("format_1.tar.gz")) as archive:
    archive.extractall(tmp_path, filter="data")
  return tmp_path / "run"


def test_it_loads(old_run):
  state = load_state(load_run(old_run), old_run)
  assert int(state.step) == 5 and int(state.optimizer.taken) == 1
  assert 0 < float(state.schedule.best_merit) < 0.1 and int(state.schedule.level) == 0
  jax.tree.map(np.testing.assert_array_equal, state.schedule.best, state.params)
  x = jnp.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
  g = load_metric(old_run)(x)
  assert g.shape == (1, 1) and g.real > 0


def test_it_resumes_to_the_certificate_it_would_have_had(old_run, data_dir, without_pictures):
  expected = json.loads((old_run / "certificate.json").read_text())["measures"]
  stored = checkpoint.read_run(old_run)
  certificate = train.train(
    ml_collections.ConfigDict(stored["config"], convert_dict=True),
    workdir=old_run,
    seed=stored["seed"],
    dtype=jnp.dtype(stored["dtype"]),
    parallelism="shard_map",
    data_dir=data_dir,
    memory=2**28,
  )
  assert certificate["run"]["steps"] == 6
  for name in ("sigma", "E", "volume"):
    assert certificate["measures"][name]["value"] == pytest.approx(
      expected[name]["value"], rel=1e-8
    )


def test_one_of_a_newer_format_is_refused(old_run):
  run = json.loads((old_run / "run.json").read_text()) | {"format": checkpoint.FORMAT + 1}
  (old_run / "run.json").write_text(json.dumps(run))
  with pytest.raises(UserError, match="newer version"):
    load_run(old_run)
