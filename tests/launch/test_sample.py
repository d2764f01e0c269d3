"""ricciflat-sample as a user types it."""

import json

from tests.launch.commands import finish, start, succeed


def test_describe_a_configuration_matrix():
  output = succeed(start("sample", describe=True, json=True, ambient="2,2", degrees="3;3"))
  assert json.loads(output) == {
      "ambient": [2, 2], "degrees": [[3], [3]], "moduli": [1, 1], "dimension": 3, "euler": -162,
      "volume": 3, "intersection": {"111": 0, "112": 3, "122": 3, "222": 0}, "c2": [36, 36]}


def test_a_matrix_without_solutions_is_one_line():
  status, stdout, stderr = finish(
      start("sample", describe=True, ambient="1,3", degrees="1,1,0;0,0,4"))
  assert status != 0 and stdout == ""
  assert stderr.startswith("error: linear slices") and len(stderr.splitlines()) == 1
