"""--config by name from any directory, and what is told of mistakes in it; --help and --version."""

import pytest

from launch import config_files
from tests.launch.commands import ROOT, outcomes
from trainer.errors import UserError

_COMMANDS = "train", "sample", "evaluate", "benchmark"
_TYPO = """from trainer import default_config

def get_config():
  config = default_config()
  config.{}
  return config
"""


@pytest.mark.parametrize("name", ["fermat_cubic", "fermat_cubic.py", "configs/fermat_cubic.py"])
def test_shipped_configs_are_found_from_anywhere(name, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert config_files.find(name) == ROOT / "configs" / "fermat_cubic.py"
  (tmp_path / "configs").mkdir()
  (tmp_path / "configs" / "fermat_cubic.py").write_text("")
  mine = config_files.find("configs/fermat_cubic.py")
  assert mine.absolute() == tmp_path / "configs" / "fermat_cubic.py"


def test_every_way_to_write_the_flag(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  path = f"{ROOT}/configs/dwork_quintic.py"
  resolved = lambda *argv: config_files.resolved(["command", *argv])[1:]
  assert resolved("--config=dwork_quintic:0.3") == [f"--config={path}:0.3"]
  assert resolved("--config", "dwork_quintic") == ["--config", path]
  assert resolved("-config=dwork_quintic", "--config.steps=3")[0] == f"--config={path}"
  assert resolved("--seed=1") == ["--seed=1"]


@pytest.mark.parametrize(
  "flags, message",
  [
    (["--config=fermat_qintic"], "did you mean fermat_quintic"),
    (["--config=nowhere/at_all.py"], "give a file, or one of bicubic, "),
    (["--config.lerning_rate=1"], "no config.lerning_rate: did you mean config.optimizer.learning"),
    (["--config.gauss_newton.step=5"], "did you mean config.gauss_newton.steps"),
    (["--config.optimizer.b1=0.9"], "there are config.optimizer.clip_norm, config.optimizer.l"),
    (["--config.data.streem"], "did you mean config.data.stream"),
  ],
)
def test_the_nearest_is_named(flags, message):
  flags = flags if flags[0].startswith("--config=") else ["--config=fermat_cubic", *flags]
  with pytest.raises(UserError, match=message):
    config_files.resolved(["command", *flags])


@pytest.mark.parametrize(
  "text, message",
  [
    ("import nothing_like_it\n", "line 1: ModuleNotFoundError"),
    ("def get_config(:\n", "line 1: SyntaxError"),
    ("def get_config():\n  return {}['a']\n", "line 2: KeyError: 'a'"),
    ("def get_config():\n  raise ValueError('odd')\n", "line 2: ValueError: odd"),
    ("def get_config():\n  return {}\n", "must return a config: start from default_config"),
    ("x = 1\n", "no class or function 'get_config'"),
    (_TYPO.format("stesp = 1"), "no config.stesp: did you mean config.steps"),
    (_TYPO.format("steps = 'many'"), "line 5: TypeError"),
    (
      "from trainer import errors\n\ndef get_config():\n  raise errors.UserError('no')",
      "^no$",
    ),
  ],
)
def test_a_config_file_that_fails_is_told_with_its_line(tmp_path, text, message):
  path = tmp_path / "mine.py"
  path.write_text(text)
  with pytest.raises(UserError, match=message) as error:
    config_files.resolved(["command", f"--config={path}"])
  assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
  """What commands say that look for nothing in the directory they run in."""
  asked = {command: [f"launch.{command}", "--help"] for command in _COMMANDS}
  asked["local_cluster"] = ["launch.local_cluster", "--help"]
  asked["version"] = ["launch.train", "--version"]
  asked["typo"] = ["launch.train", "--config=fermat_qubic", "--workdir=here"]
  return outcomes(asked, cwd=tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_fits_two_screens_and_names_every_flag_of_ours(command, answers):
  status, text, stderr = answers[command]
  assert status == 0 and stderr == ""
  assert len(text.splitlines()) < 60 and max(map(len, text.splitlines())) <= 100
  assert (
    f"ricciflat-{command} --" in text and "--data_dir: " in text and text.count("--config: ") <= 1
  )
  source = (ROOT / "launch" / f"{command}.py").read_text()
  for line in source.split("flags.DEFINE_")[1:]:
    name = line.split('"')[1]
    assert f"\n  --{name}: " in text
  if command != "benchmark":
    assert "\n  --config: " in text and "gauss_newton.steps=150" in text and "fermat_cubic" in text
  assert "absl" not in text


def test_the_launchers_help_names_its_flags(answers):
  status, text, stderr = answers["local_cluster"]
  assert status == 0 and stderr == ""
  assert all(f"\n  --{name}: " in text for name in ("processes", "devices", "max_restarts"))


def test_version(answers):
  status, stdout, stderr = answers["version"]
  assert status == 0 and stdout.startswith("ricciflat") and stderr == ""


def test_an_unknown_config_is_one_line(answers):
  status, _, stderr = answers["typo"]
  assert status == 1 and stderr.splitlines() == [
    "error: --config=fermat_qubic: there is no such file or config: did you mean fermat_cubic?"
  ]
