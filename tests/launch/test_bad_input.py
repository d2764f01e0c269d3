"""A user's mistake gives one clear line and a non-zero exit, before any sampling starts."""

import json

import pytest

from tests.launch import commands
from tests.launch.commands import TINY

_QUINTIC = {"config.variety.ambient": "(4,)"}
_MISTAKES = {
  "unknown key": ({"config.lerning_rate": 1}, "lerning_rate"),
  "unknown flag": ({"wrokdir": "x"}, "wrokdir"),
  "wrong type": ({"config.batch_size": "many"}, "batch_size"),
  "no such config": ({"config": "configs/nothing.py"}, "nothing.py"),
  "inhomogeneous": ({"config.variety.polynomials": "z0^3+z1^3+z2^2"}, "homogeneous"),
  "not Calabi-Yau": ({"config.variety.polynomials": "z0^4+z1^4+z2^4"}, "Calabi-Yau"),
  "singular": (_QUINTIC | {"config.variety.polynomials": "z0^5+z1^5"}, "singular"),
  "no solutions": (
    {
      "config.variety.ambient": "(1,3)",
      "config.variety.polynomials": "",
      "config.variety.degrees": "((1,1,0),(0,0,4))",
    },
    "no solutions",
  ),
  "unreadable polynomial": ({"config.variety.polynomials": "z0^3+psi*z1^3"}, "psi"),
  "batch larger than dataset": ({"config.batch_size": 2048}, "larger than the dataset"),
  "batch not divisible": ({"config.batch_size": 63}, "multiple of 2"),
  "no points": ({"config.data.train_points": 0}, "at least 1"),
  "workdir not writable": ({"workdir": "/proc/nothing/run"}, "workdir"),
  "wrong dtype": ({"dtype": "float16"}, "float32 or float64"),
  "no steps to trace": ({"profile_steps": "9:3"}, "such as 10:20"),
  "unknown network": ({"config.network": "phi_mpl"}, "phi_mpl"),
  "unknown optimizer": ({"config.optimizer.name": "adamm"}, "adamm"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
  """Runs all commands in one workdir nobody may write to."""
  root = tmp_path_factory.mktemp("mistakes")
  flags = TINY | {"workdir": root / "run", "data_dir": root / "data"}
  return root, commands.outcomes(
    {
      name: ["launch.train", *commands.arguments(**(flags | wrong))]
      for name, (wrong, _) in _MISTAKES.items()
    }
  )


@pytest.mark.parametrize("name", _MISTAKES)
def test_one_line_and_a_non_zero_exit(outcomes, name):
  _, results = outcomes
  status, stdout, stderr = results[name]
  assert status != 0
  assert _MISTAKES[name][1] in stderr
  *before, last = stderr.splitlines()
  assert last.startswith("error: ") and before in ([], ["checking the manifold"])
  assert stdout == ""


def test_fields_of_a_metric_that_failed_are_refused(tmp_path):
  line = {"name": "volume", "passed": False, "value": 9.0, "threshold": 4.0, "advice": "train on"}
  content = json.dumps({"verdict": {"passed": False, "lines": [line]}})
  (tmp_path / "certificate.json").write_text(content)
  results = commands.outcomes(
    {
      flag: ["launch.evaluate", f"--workdir={tmp_path}", flag]
      for flag in ("--harmonic", "--spectrum", "--bundle=1,-1")
    }
  )
  for status, stdout, stderr in results.values():
    assert status == 2 and stdout == ""
    assert (
      stderr.startswith("error: the certificate says FAIL: volume is 9") and "train on" in stderr
    )
  assert [path.name for path in tmp_path.iterdir()] == ["certificate.json"]


def test_nothing_was_written(outcomes):
  assert list(outcomes[0].rglob("*")) == []
