"""A disk that is full for a while: training goes on, and says so; at the end it has to be saved."""

import errno
import os
import resource
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.loop import job as jobs
from trainer.optimizers.state import new_state
from trainer.run import checkpoints, metrics
from trainer.run.host import Host


@pytest.fixture
def saving(tmp_path, monkeypatch):
  """save(step, failures, last): with a disk that is full so often; the notes, the steps there."""
  mesh, notes, pauses = parallel.make_mesh(jax.devices()[:2]), [], []
  monkeypatch.setattr(jobs.time, "sleep", pauses.append)
  progress = SimpleNamespace(note=notes.append)
  job = jobs.Job(None, mesh, *[None] * 8, Host())._replace(progress=progress)
  start = checkpoints.Checkpoints._start

  def save(step, failures, last=False):
    def failing(self, *arguments):
      nonlocal failures
      failures -= 1
      if failures >= 0:
        return self._failed(step, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
      return start(self, *arguments)

    monkeypatch.setattr(checkpoints.Checkpoints, "_start", failing)
    state = new_state(jnp.int32(step), jnp.full(9000, float(step)), ())
    job.save(saved, parallel.replicate(mesh, state), force=True, last=last)
    saved.finish()
    return saved.all_steps()

  with checkpoints.Checkpoints(tmp_path, 0, 1) as saved:
    yield save, notes, pauses


@pytest.fixture
def filling():
  """The disk fills in the middle of what is written: no file grows beyond some bytes."""
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
  resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_training_goes_on_and_the_end_is_tried_again(saving):
  save, notes, pauses = saving
  assert save(1, 0) == [1] and not notes
  assert save(2, 1) == [1] and not pauses
  assert notes == ["cannot save a checkpoint of step 2: No space left on device; going on without"]
  assert save(3, 0) == [1, 3]
  assert save(4, 2, last=True) == [3, 4] and pauses == [10, 10]


def test_an_end_that_cannot_be_saved_is_an_error(saving):
  save, notes, pauses = saving
  save(1, 0)
  with pytest.raises(UserError, match="No space left on device.: make room; .* on from step 1"):
    save(2, 99, last=True)
  assert len(notes) == 7 and len(pauses) == 6


def test_what_a_save_that_fails_on_the_way_has_written_is_removed(tmp_path, filling):
  before = resource.getrlimit(resource.RLIMIT_FSIZE)
  with checkpoints.Checkpoints(tmp_path, 0, 1) as saved:
    assert saved.save(1, {"a": jnp.arange(9000.0)}) is None and saved.finish() is None
    filling()
    assert saved.save(2, {"a": jnp.arange(9000.0)}) is None
    failure = saved.finish()
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failure == (2, "the disk is full")
    assert saved.all_steps() == [1] and [p.name for p in saved.directory.iterdir()] == ["1"]
    assert saved.save(2, {"a": jnp.arange(9000.0)}) is None and saved.finish() is None
    assert saved.all_steps() == [1, 2]
    assert saved.restore({"a": jnp.zeros(9000)})["a"][-1] == 8999


def test_a_directory_that_is_gone_is_made_again(saving, tmp_path):
  save, notes, _ = saving
  save(1, 0)
  shutil.rmtree(tmp_path / "checkpoints")
  assert 2 in save(2, 0) and (tmp_path / "checkpoints" / "0" / "2").exists()
  shutil.move(tmp_path, f"{tmp_path}-elsewhere")
  save(3, 0)
  assert "No such file or directory" in notes[-1]
  shutil.move(f"{tmp_path}-elsewhere", tmp_path)
  assert 4 in save(4, 0)


def test_rows_that_the_disk_does_not_take_are_written_later(tmp_path):
  path = tmp_path / "metrics.jsonl"
  writer = metrics.MetricsWriter(path, enabled=True)
  row = lambda step: {"step": step, "seconds": 0.5}
  writer.write(row(1))
  os.rename(path, tmp_path / "elsewhere")
  path.mkdir()
  writer.write(row(2))
  path.rmdir()
  os.rename(tmp_path / "elsewhere", path)
  writer.write(row(3))
  assert metrics.read_history(path) == [row(1), row(2), row(3)]
