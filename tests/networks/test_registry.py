"""Networks by name, by module and by file."""

import sys

import haiku as hk
import jax
import jax.numpy as jnp
import pytest

from networks import phi, registry

_SOURCE = """
import dataclasses
import haiku as hk

class Mine(hk.Module):
  def __init__(self, ambient, width=3):
    super().__init__()
    self.width = width
  def __call__(self, x):
    return hk.Linear(self.width)(x).sum()

def plain(x, power=2):
  return (x ** power).sum()

@dataclasses.dataclass
class Setting:
  value: int = 1
"""


def test_registered_name():
  assert registry.resolve("phi_mlp") is phi.PhiMLP


def test_file_outside_the_repository(tmp_path):
  (tmp_path / "user_networks.py").write_text(_SOURCE)
  mine = registry.resolve(f"{tmp_path}/user_networks.py:Mine")
  net = hk.without_apply_rng(hk.transform(lambda x: mine(ambient=(4,), width=2)(x)))
  params = net.init(jax.random.key(0), jnp.ones(10))
  assert net.apply(params, jnp.ones(10)).shape == ()
  assert registry.resolve(f"{tmp_path}/user_networks.py:plain")(jnp.ones(3)) == 3
  assert registry.resolve(f"{tmp_path}/user_networks.py:Mine") is mine


def test_module_on_the_path(tmp_path, monkeypatch):
  (tmp_path / "user_module_for_registry.py").write_text(_SOURCE)
  monkeypatch.syspath_prepend(str(tmp_path))
  assert registry.resolve("user_module_for_registry:plain")(jnp.ones(2), power=1) == 2
  del sys.modules["user_module_for_registry"]


@pytest.mark.parametrize(
  "name, message",
  [
    ("phi_mpl", "unknown network 'phi_mpl': choose one of .*phi_mlp"),
    ("no_such_module:Net", "'no_such_module' cannot be imported"),
    ("networks.phi:Missing", "networks.phi has no class or function 'Missing'"),
    ("nowhere.py:Net", "'nowhere.py' does not exist"),
  ],
)
def test_mistakes_are_one_clear_line(name, message):
  with pytest.raises(ValueError, match=message) as error:
    registry.resolve(name)
  assert "\n" not in str(error.value)


def test_a_file_that_fails_says_so_and_can_be_mended(tmp_path):
  path = tmp_path / "broken.py"
  path.write_text("raise RuntimeError('oops')")
  with pytest.raises(ValueError, match="broken.py, line 1: RuntimeError: oops"):
    registry.resolve(f"{path}:Net")
  path.write_text("def Net(x):\n  return x.sum()\n")
  assert registry.resolve(f"{path}:Net")(jnp.ones(2)) == 2


def test_a_syntax_error_is_told_with_its_line(tmp_path):
  path = tmp_path / "unfinished.py"
  path.write_text("import jax\n\ndef Net(x:\n")
  with pytest.raises(ValueError, match="unfinished.py, line 3: SyntaxError"):
    registry.resolve(f"{path}:Net")


def test_an_edited_file_is_read_again(tmp_path):
  path = tmp_path / "edited.py"
  for value in (1, 2):
    path.write_text(f"def Net(x):\n  return {value} * x\n")
    assert registry.resolve(f"{path}:Net")(1) == value


def test_a_name_is_registered_once():
  with pytest.raises(ValueError, match="'phi_mlp' is registered already"):
    registry.register("phi_mlp")(phi.PhiMLP)
