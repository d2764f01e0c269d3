"""A function at points, part by part: as at once, and a part that is done is not done again."""

import io
import types

import jax.numpy as jnp
import numpy as np
import pytest

from tests.quadrature import spaces
from trainer.harmonic import parts
from trainer.quadrature.background import Background
from trainer.run.metrics import Progress
from trainer.run.unfinished import Unfinished


def _function(scale, rows):
  return {"square": scale * jnp.sum(rows.x**2, axis=1), "metric": rows.metric}


@pytest.mark.parametrize("devices", [1, 4])
def test_parts_are_the_whole_and_are_kept(devices, tmp_path, monkeypatch):
  monkeypatch.setattr(parts, "_PART", 24)
  background = spaces.projective_space(2, 100, num_devices=devices)
  stream, calls = io.StringIO(), []
  task = types.SimpleNamespace(
    unfinished=Unfinished(tmp_path), digest="a", progress=Progress(True, stream)
  )
  at_once = background.at_points(_function, 2.0)
  at_points = Background.at_points
  stop = 4

  def counted(*arguments):
    calls.append(arguments)
    if len(calls) == stop:
      raise KeyboardInterrupt
    return at_points(*arguments)

  monkeypatch.setattr(Background, "at_points", counted)
  evaluate = lambda: parts.InParts(task, "slow", 100)(background, _function, 2.0, {"scale": 2.0})
  with pytest.raises(KeyboardInterrupt):
    evaluate()
  assert "slow: about" in stream.getvalue()
  found = evaluate()
  # 24, 24, 24, then the one that was stopped and the last, which overlaps.
  assert len(calls) == 4 + 2
  for name, array in at_once.items():
    np.testing.assert_allclose(found[name], array, rtol=1e-14)
  task.digest = "b"
  evaluate()
  assert len(calls) == 4 + 2 + 5
