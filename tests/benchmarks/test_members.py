"""The suite of random members goes on where it was interrupted."""

import pytest

from trainer.benchmarks import members
from trainer.errors import UserError


def test_finished_members_are_not_trained_again(tmp_path, monkeypatch):
  trained = []

  def train(name, seed, budget, workdir):
    if len(trained) == 3:
      raise KeyboardInterrupt
    workdir.mkdir(parents=True)
    trained.append((name, seed))
    return {"manifold": name, "seed": seed}

  monkeypatch.setattr(members, "_train", train)
  names = ["bicubic", "P1xP3"]
  found = members.run(names, 60.0, tmp_path)
  first = [next(found) for _ in range(3)]
  with pytest.raises(KeyboardInterrupt):
    next(found)
  trained.clear()
  assert [row["seed"] for row in members.run(names, 60.0, tmp_path)] == [0, 1, 0, 1]
  assert trained == [("P1xP3", 1)] and first[2]["budget_seconds"] == 60
  with pytest.raises(UserError, match="of --budget_seconds=60: name another"):
    next(members.run(names, 300.0, tmp_path))
  (tmp_path / "quintic_0").mkdir()
  with pytest.raises(UserError, match="start from nothing"):
    next(members.run(["quintic"], 60.0, tmp_path))
