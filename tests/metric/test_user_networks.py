"""Classes of any kind serve as networks; what fails in a user's file is told with its line."""

import jax
import numpy as np
import pytest

from tests.optimizers import problems
from trainer.errors import UserError
from trainer.metric.problem import MetricProblem

_FILE = '''
import haiku as hk
import jax.numpy as jnp

class Plain(hk.Module):
  """Takes nothing of the geometry, and has methods whose names mean nothing to us."""
  def features(self, x):
    return (x[:3] ** 2 + x[3:] ** 2) / (x @ x)
  def jets(self, x):
    return x
  def __call__(self, x):
    return hk.nets.MLP([4, 1], activation=jnp.tanh)(self.features(x))[0]

class Catches(Plain):
  def __init__(self, **settings):
    super().__init__()

class Missing(hk.Module):
  def __call__(self, x):
    return self.nothing

class Key(hk.Module):
  def __call__(self, x):
    return {}["width"]

class Refuses(hk.Module):
  def __init__(self, ambient):
    raise RuntimeError("not today")
'''


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
  path = tmp_path_factory.mktemp("user") / "mine.py"
  path.write_text(_FILE)
  return path


@pytest.mark.parametrize("name", ["Plain", "Catches"])
def test_a_class_that_asks_for_nothing(mine, name, data_dir):
  problem = MetricProblem(problems.variety(), f"{mine}:{name}")
  assert problem.ansatz.path == "general"
  params = problem.init(jax.random.key(0), 1.0)
  batch = problems.points(data_dir)
  assert np.all(np.isfinite(jax.jit(problem.ansatz.metric)(params["network"], batch)))


@pytest.mark.parametrize(
  "name, message",
  [
    ("Missing", "line 20: AttributeError: .*'nothing'"),
    ("Key", "line 24: KeyError: 'width'"),
    ("Refuses", "line 28: RuntimeError: not today"),
  ],
)
def test_every_exception_is_told_with_file_and_line(mine, name, message):
  with pytest.raises(UserError, match=f"fails: {mine}, {message}"):
    MetricProblem(problems.variety(), f"{mine}:{name}")
