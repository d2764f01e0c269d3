"""ricciflat-sample as a user types it."""

import json

from tests.launch.commands import TINY, arguments, outcomes, start, succeed


def test_configuration_matrices_are_described():
  """One without solutions in one line."""
  matrices = {
    "bicubic": arguments(describe=True, json=True, ambient="2,2", degrees="3;3"),
    "empty": arguments(describe=True, ambient="1,3", degrees="1,1,0;0,0,4"),
  }
  found = outcomes({name: ["launch.sample", *flags] for name, flags in matrices.items()})
  status, stdout, stderr = found["bicubic"]
  assert status == 0 and stderr == ""
  assert json.loads(stdout) == {
    "ambient": [2, 2],
    "degrees": [[3], [3]],
    "moduli": [1, 1],
    "dimension": 3,
    "euler": -162,
    "volume": 3,
    "intersection": {"111": 0, "112": 3, "122": 3, "222": 0},
    "c2": [36, 36],
  }
  status, stdout, stderr = found["empty"]
  assert status != 0 and stdout == ""
  assert stderr.startswith("error: linear slices") and len(stderr.splitlines()) == 1


def test_sampling_fills_the_cache(tmp_path):
  output = succeed(
    start(
      "sample",
      **{
        "config": TINY["config"],
        "config.data.train_points": 1003,
        "config.data.heldout_points": 500,
        "config.batch_size": 64,
      },
      data_dir=tmp_path,
    )
  )
  for text in ("train: 1003 points", "heldout: 500 points", "0 slices dropped", "sampling"):
    assert text in output
  assert len(list(tmp_path.glob("*/block_000000.npy"))) == 2


def test_moduli_of_the_dwork_family():
  output = succeed(start("evaluate", moduli=True, config="configs/dwork_quintic.py:0.25", points=1))
  assert "from 10000 points, 0 slices dropped" in output
  assert "psi = 0.25: G = 0.1" in output and "exactly G = 0.1913171644, y = 1.587228143" in output
