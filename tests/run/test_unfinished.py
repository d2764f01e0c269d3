"""What is unfinished serves its own source only."""

import numpy as np

from trainer.run.unfinished import Unfinished

_SOURCE = {"right": np.array([1.0, 2j]), "degree": 3, "digest": "abc"}


def test_a_result_is_of_its_source(tmp_path):
  unfinished = Unfinished(tmp_path)
  assert unfinished.load("a_0", _SOURCE) is None
  unfinished.save("a_0", _SOURCE, {"h": np.arange(3.0), "done": 7})
  near = _SOURCE | {"right": _SOURCE["right"] * (1 + 1e-12)}
  found = Unfinished(tmp_path).load("a_0", near)
  assert found.keys() == {"h", "done"} and found["done"] == 7
  np.testing.assert_array_equal(found["h"], np.arange(3.0))
  for other in (
    {"right": _SOURCE["right"] * (1 + 1e-6)},
    {"right": np.ones(3, complex)},
    {"right": np.ones(2)},
    {"degree": 4},
    {"digest": "abd"},
  ):
    assert unfinished.load("a_0", _SOURCE | other) is None, other
  assert unfinished.load("a_1", _SOURCE) is None


def test_what_is_finished_leaves_nothing(tmp_path):
  unfinished = Unfinished(tmp_path)
  for name in ("a_0", "a_1", "b"):
    unfinished.save(name, {}, {"h": np.ones(1)})
  unfinished.clear("a")
  assert [path.name for path in (tmp_path / "unfinished").iterdir()] == ["b.npz"]
  unfinished.clear("b")
  assert list(tmp_path.iterdir()) == []
  unfinished.clear("b")


def test_it_is_made_once(tmp_path):
  made = []

  def make():
    made.append(0)
    return {"h": np.arange(2.0)}

  found = [Unfinished(tmp_path).once("a", _SOURCE, make)["h"] for _ in range(2)]
  np.testing.assert_array_equal(*found)
  assert len(made) == 1
