import json
import resource

import jax
import numpy as np
import pytest

from trainer.errors import UserError
from trainer.geometry import members
from trainer.geometry.variety import Variety
from trainer.sampling import datasets
from trainer.sampling.sampler import Sampler

CURVE = Variety((2,), (members.fermat(3),), (1.0,))
SIZE = Sampler(CURVE).points_per_block


def load(directory, start=0, stop=100, variety=CURVE, seed=0, split="train", **kwargs):
  return datasets.load_or_sample(
    Sampler(variety), seed=seed, split=split, start=start, stop=stop, directory=directory, **kwargs
  )


def test_points_do_not_depend_on_the_range_asked(tmp_path):
  reports = []
  whole = load(tmp_path / "a", 0, 2 * SIZE, progress=lambda *a: reports.append(a))
  assert reports == [(SIZE, 2 * SIZE), (2 * SIZE, 2 * SIZE)]
  assert whole.z.dtype == np.complex128 and whole.z.shape == (2 * SIZE, 3)
  part = load(tmp_path / "b", SIZE - 10, SIZE + 10)
  for a, b in zip(whole, part):
    np.testing.assert_array_equal(a[SIZE - 10 : SIZE + 10], b)


def test_what_is_on_disk_is_not_sampled_again(tmp_path, monkeypatch):
  first = load(tmp_path, 0, SIZE)
  blocks = []
  block = Sampler.block
  monkeypatch.setattr(
    Sampler, "block", lambda self, key, index: (blocks.append(index), block(self, key, index))[1]
  )
  more = load(tmp_path, 0, SIZE + 5)
  assert blocks == [1]
  np.testing.assert_array_equal(more.z[:SIZE], first.z)
  # Moduli do not move points; seeds, splits and polynomials do.
  load(tmp_path, 0, SIZE, Variety(CURVE.ambient, CURVE.polynomials, (2.0,)))
  assert blocks == [1]
  others = [
    load(tmp_path, seed=1),
    load(tmp_path, split="heldout"),
    load(tmp_path, variety=Variety((2,), (members.dwork(3, 0.1),), (1.0,))),
  ]
  for other in others:
    assert not np.isin(other.weight, first.weight).any()
  assert len(list(tmp_path.iterdir())) == 4


def test_nothing_half_written_is_left_when_a_run_is_interrupted(tmp_path, monkeypatch):
  def interrupted(file, array):
    file.write(b"half")
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
      load(tmp_path)
  (home,) = tmp_path.iterdir()
  assert [path.name for path in home.iterdir()] == ["meta.json"]
  load(tmp_path)


def test_another_manifolds_directory_is_refused(tmp_path):
  load(tmp_path)
  (meta,) = tmp_path.glob("*/meta.json")
  stored = json.loads(meta.read_text())
  assert stored["ambient"] == [2] and stored["seed"] == 0 and stored["split"] == "train"
  meta.write_text(json.dumps({**stored, "ambient": [3]}))
  with pytest.raises(UserError, match="another manifold"):
    load(tmp_path)


@pytest.mark.parametrize(
  "damage",
  [
    lambda path: path.write_bytes(path.read_bytes()[:1000]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(
      path.read_bytes().replace(
        b"\x00\x00\x00\x00\x00\x00\xf0\x3f", b"\x00\x00\x00\x00\x00\x00\xf1\x3f"
      )
    ),
    lambda path: np.save(path, np.ones((3, 3))),
    lambda path: np.save(path, np.load(path)[:3]),
  ],
  ids=["cut", "empty", "flipped", "foreign", "short"],
)
def test_damaged_files_are_refused(tmp_path, damage):
  load(tmp_path)
  (path,) = tmp_path.glob("*/block_000000.npy")
  damage(path)
  with pytest.raises(UserError, match="block_000000.npy is damaged; remove it"):
    load(tmp_path)


def test_bad_requests(tmp_path):
  with pytest.raises(UserError, match="unknown split 'test'"):
    load(tmp_path, split="test")
  with pytest.raises(UserError, match="no range"):
    load(tmp_path, start=5, stop=5)
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="cannot write the dataset"):
    load(tmp_path / "file")


def test_streams_of_splits_are_independent_of_the_default_generator(tmp_path):
  points = load(tmp_path, 0, 10)
  with jax.default_prng_impl("rbg"):
    again = load(tmp_path / "again", 0, 10)
  np.testing.assert_array_equal(points.z, again.z)


def test_a_full_cache_says_why(tmp_path, monkeypatch):
  """NumPy writes arrays to files without telling the system's reason."""
  limit = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
  try:
    with pytest.raises(UserError, match="cannot write .*npy: File too large; .* --data_dir"):
      load(tmp_path, 0, 10)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
