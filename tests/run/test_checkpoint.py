"""Runs and their working directories: identity, refusal, checkpoints on any number of devices."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.run import checkpoint

_RUN = {"config": {"a": 1, "b": {"c": (1, 2)}}, "seed": 0, "dtype": "float32"}


def test_a_workdir_belongs_to_one_run(tmp_path):
  assert checkpoint.claim_workdir(tmp_path, _RUN, write=False)
  assert list(tmp_path.iterdir()) == []
  assert checkpoint.claim_workdir(tmp_path, _RUN, write=True)
  assert not checkpoint.claim_workdir(tmp_path, _RUN, write=True)
  assert checkpoint.read_run(tmp_path) == json.loads(json.dumps(_RUN))
  other = _RUN | {"config": {"a": 1, "b": {"c": (1, 3)}}, "seed": 1}
  with pytest.raises(UserError) as error:
    checkpoint.claim_workdir(tmp_path, other, write=True)
  assert "config.b.c is [1, 2] there, [1, 3] here" in str(error.value)
  assert "seed is 0 there, 1 here" in str(error.value)
  assert checkpoint.read_run(tmp_path)["seed"] == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": {}, "seed": 0}'])
def test_foreign_run_files_are_refused(tmp_path, content):
  (tmp_path / "run.json").write_text(content)
  with pytest.raises(UserError, match="damaged or not from this program"):
    checkpoint.read_run(tmp_path)


def test_missing_runs_and_checkpoints_are_named(tmp_path):
  with pytest.raises(UserError, match="holds no run"):
    checkpoint.read_run(tmp_path)
  with checkpoint.open_manager(tmp_path, 0, 1) as manager:
    with pytest.raises(UserError, match="no checkpoint yet"):
      checkpoint.restore(manager, {"a": jnp.zeros(3)})


def test_an_unwritable_workdir_is_refused():
  import pathlib

  with pytest.raises(UserError, match="cannot write to the workdir /proc/x"):
    checkpoint.check_writable(pathlib.Path("/proc/x"))


def test_any_device_count_restores_any_other(tmp_path):
  state = {"a": jnp.arange(6.0).reshape(2, 3), "step": jnp.int32(8)}
  four = parallel.make_mesh()
  one = parallel.make_mesh(jax.devices()[2:3])
  with checkpoint.open_manager(tmp_path, 0, 4) as manager:
    for step in (3, 4, 8):
      checkpoint.save(manager, step, parallel.replicate(four, state))
    manager.wait_until_finished()
    assert list(manager.all_steps()) == [4, 8]
    like = parallel.replicate(one, jax.tree.map(jnp.zeros_like, state))
    restored = checkpoint.restore(manager, like)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    assert restored["a"].sharding.device_set == {jax.devices()[2]}
    with pytest.raises(UserError, match="does not fit this run"):
      checkpoint.restore(manager, {"a": jnp.zeros((2, 3))})
