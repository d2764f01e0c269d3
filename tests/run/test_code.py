"""The user's own files are part of what a run is, and are kept with it."""

import jax.numpy as jnp
import pytest

from configs import fermat_cubic
from trainer.errors import UserError
from trainer.run import checkpoint, code
from trainer.run import run as runs

_NETWORK = """
import jax.numpy as jnp

def phi(x, scale):
  size = x[:3] ** 2 + x[3:] ** 2
  return scale * jnp.{function}(size[0] / size.sum())
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
  """A directory of the user's with a network in it, where they are."""
  monkeypatch.chdir(tmp_path)
  _write(tmp_path, "tanh")
  (tmp_path / "run").mkdir()
  return tmp_path


def _write(directory, function):
  (directory / "mine.py").write_text(_NETWORK.format(function=function))


def _open(config=None, workdir=None):
  config = config or _config()
  files = runs.files_of(config, workdir) if workdir else None
  return runs.open_run(config, 0, jnp.dtype("float64"), files)


def _config(network="mine.py:phi(scale=0.1)"):
  config = fermat_cubic.get_config()
  config.network = network
  return config


def _value(run):
  return float(run.problem.ansatz.phi({}, jnp.arange(1.0, 7.0)))


def _trained(workdir):
  run = _open(workdir=workdir)
  checkpoint.claim_workdir(workdir, run.identity, write=True)
  code.keep(workdir, run.code)
  return _value(run)


def test_an_edited_file_is_another_run(home):
  _trained(home / "run")
  assert not checkpoint.claim_workdir(home / "run", _open().identity, write=False)
  _write(home, "sin")
  with pytest.raises(
    UserError, match="mine.py was changed since .* put it back as in .*/code/mine"
  ):
    checkpoint.claim_workdir(home / "run", _open().identity, write=False)


def test_a_run_is_loaded_with_the_code_it_was_trained_with(home, monkeypatch):
  value = _trained(home / "run")
  _write(home, "sin")
  loaded = runs.load_run(home / "run")
  assert _value(loaded) == value != _value(_open())
  assert loaded.config.network == "mine.py:phi(scale=0.1)"
  assert str(home / "run" / "code") in loaded.network
  elsewhere = home / "elsewhere"
  elsewhere.mkdir()
  monkeypatch.chdir(elsewhere)
  assert _value(runs.load_run(home / "run")) == value


def test_a_run_goes_on_from_another_directory(home, monkeypatch):
  value = _trained(home / "run")
  monkeypatch.chdir(home / "run")
  run = _open(workdir=home / "run")
  assert _value(run) == value
  assert not checkpoint.claim_workdir(home / "run", run.identity, write=False)


def test_what_a_config_names_of_the_users(home, monkeypatch):
  (home / "my_networks.py").write_text("def phi(x):\n  return 0 * x[0]\n")
  monkeypatch.syspath_prepend(str(home))
  config = _config("phi_mlp() + my_networks:phi + networks.phi:PhiMLP(widths=(4,))")
  config.loss.name = "mine.py:loss"
  assert code.of_config(config) == {
    "mine.py": home / "mine.py",
    "my_networks": home / "my_networks.py",
  }
  assert code.of_config(fermat_cubic.get_config()) == {}


def test_a_sum_is_relocated_term_by_term(home):
  files = {"mine.py": home / "kept.py"}
  text = "phi_mlp(widths=(4,)) + mine.py:phi(scale=0.1) + other.py:phi"
  assert code.relocated(text, files) == (
    f"phi_mlp(widths=(4,)) + {home}/kept.py:phi(scale=0.1) + other.py:phi"
  )


def test_runs_without_copies_of_code_are_still_theirs(home):
  found = _open().identity
  checkpoint.claim_workdir(home / "run", {k: found[k] for k in found if k != "code"}, True)
  assert not checkpoint.claim_workdir(home / "run", found, write=False)
