"""Runs and their working directories: identity, refusal, checkpoints on any number of devices."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.run import checkpoint
from trainer.run.checkpoints import Checkpoints

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
  with Checkpoints(tmp_path, 0, 1) as saved:
    with pytest.raises(UserError, match="no checkpoint yet"):
      saved.restore({"a": jnp.zeros(3)})


def test_an_unwritable_workdir_is_refused():
  import pathlib

  with pytest.raises(UserError, match="cannot write to the workdir /proc/x"):
    checkpoint.check_writable(pathlib.Path("/proc/x"))


def test_any_device_count_restores_any_other(tmp_path):
  state = {"a": jnp.arange(6.0).reshape(2, 3), "step": jnp.int32(8)}
  four = parallel.make_mesh()
  one = parallel.make_mesh(jax.devices()[2:3])
  with Checkpoints(tmp_path, 0, 4) as saved:
    for step in (3, 4, 8):
      saved.save(step, parallel.replicate(four, state))
    saved.finish()
    assert saved.all_steps() == [4, 8]
    like = parallel.replicate(one, jax.tree.map(jnp.zeros_like, state))
    restored = saved.restore(like)
    jax.tree.map(np.testing.assert_array_equal, restored, state)
    assert restored["a"].sharding.device_set == {jax.devices()[2]}
    with pytest.raises(UserError, match="does not fit this run"):
      saved.restore({"a": jnp.zeros((2, 3))})


def _two_steps(workdir):
  with Checkpoints(workdir, 0, 1) as saved:
    for step in (1, 2):
      saved.save(step, {"a": jnp.full(100, float(step))})


def _damage(workdir, step):
  for path in (workdir / "checkpoints" / "0" / str(step)).rglob("*"):
    if path.is_file():
      path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("read_only", [False, True])
def test_a_truncated_checkpoint_gives_way_to_the_one_before(tmp_path, read_only, capfd):
  _two_steps(tmp_path)
  _damage(tmp_path, 2)
  told = []
  with Checkpoints(tmp_path, 0, 1, read_only) as saved:
    state = saved.restore({"a": jnp.zeros(100)}, told.append)
    assert saved.latest_step() == (2 if read_only else 1)
  np.testing.assert_array_equal(state["a"], 1.0)
  assert told == ["the checkpoint of step 2 is damaged: going on from that of step 1"]
  assert "Traceback" not in "".join(capfd.readouterr())


def test_the_latest_checkpoint_is_restored(tmp_path):
  _two_steps(tmp_path)
  told = []
  with Checkpoints(tmp_path, 0, 1) as saved:
    state = saved.restore({"a": jnp.zeros(100)}, told.append)
  np.testing.assert_array_equal(state["a"], 2.0)
  assert told == []


def test_where_no_checkpoint_is_intact_nothing_is_removed(tmp_path):
  _two_steps(tmp_path)
  for step in (1, 2):
    _damage(tmp_path, step)
  with Checkpoints(tmp_path, 0, 1) as saved:
    with pytest.raises(UserError, match="checkpoints/0/2 does not fit this run or is damaged"):
      saved.restore({"a": jnp.zeros(100)})
    assert saved.all_steps() == [1, 2]


def test_one_process_at_a_time_trains_in_a_workdir(tmp_path):
  with checkpoint.locked(tmp_path):
    with pytest.raises(UserError, match="another process is training in"):
      with checkpoint.locked(tmp_path):
        pass
    with checkpoint.locked(tmp_path, enabled=False):  # a further process of the same run
      pass
  with checkpoint.locked(tmp_path):
    pass
