"""ricciflat-sample as a user types it."""

import json

from tests.launch.commands import TINY, finish, start, succeed


def test_describe_a_configuration_matrix():
  output = succeed(start("sample", describe=True, json=True, ambient="2,2", degrees="3;3"))
  assert json.loads(output) == {
    "ambient": [2, 2],
    "degrees": [[3], [3]],
    "moduli": [1, 1],
    "dimension": 3,
    "euler": -162,
    "volume": 3,
    "intersection": {"111": 0, "112": 3, "122": 3, "222": 0},
    "c2": [36, 36],
  }


def test_a_matrix_without_solutions_is_one_line():
  status, stdout, stderr = finish(
    start("sample", describe=True, ambient="1,3", degrees="1,1,0;0,0,4")
  )
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
  assert "psi = 0.25: G = 0.1" in output
