"""What a user adds in one file: a loss, a network that keeps features, a Hermitian one.

A problem of one's own is in tests/problem.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import fermat_cubic
from tests.optimizers import problems
from trainer.devices import parallel
from trainer.metric.losses import Tensors
from trainer.metric.problem import MetricProblem, metric_problem
from trainer.optimizers.first_order_step import make_step
from trainer.optimizers.state import new_state
from trainer.points.kept import Kept

_FILE = '''
import haiku as hk
import jax.numpy as jnp
from networks import embeddings, jets, network

def log_eta(tensors):
  return jnp.log(tensors.eta), 0.0

class Keeper(network.Network):
  def __init__(self, ambient):
    super().__init__()
    self.ambient = ambient
  def jet_types(self):
    return (jets.Jet,)
  def keep(self, x):
    return {"s": jnp.moveaxis(embeddings.SpectralEmbedding(self.ambient)(x).rows, 0, 1)}
  def __call__(self, x, kept=None):
    s = embeddings.SpectralEmbedding(self.ambient)(x)
    if kept:
      s = jets.Jet(jnp.moveaxis(kept["s"], 1, 0))
    w = hk.get_parameter("w", (s.shape[-1], 1), jets.dtype(s), init=jnp.ones)
    return jets.linear(s, jnp.arange(1.0, 1 + w.shape[0])[:, None] * w)[..., 0]

def potential(x, c):
  size = x[:3] ** 2 + x[3:] ** 2
  return (jnp.log(size @ jnp.asarray(c, x.dtype)) - jnp.log(size.sum())) / jnp.pi

def form(x, c):
  """d_i dbar_j of the potential in homogeneous coordinates."""
  z = x[:3] + 1j * x[3:]
  def levi(c):
    r = jnp.sum(c * jnp.abs(z) ** 2)
    return jnp.diag(c) / r - jnp.outer(c * z.conj(), c * z) / r ** 2
  return (levi(jnp.asarray(c, x.dtype)) - levi(jnp.ones(3, x.dtype))) / jnp.pi
'''


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
  path = tmp_path_factory.mktemp("user") / "mine.py"
  path.write_text(_FILE)
  return path


def test_a_loss(mine, data_dir):
  config = fermat_cubic.get_config()
  config.loss.name, config.steps = f"{mine}:log_eta", 1
  problem = metric_problem(config, "phi_mlp(widths=(4,))", squares=False)
  params = problem.init(jax.random.key(0), 3.0)
  mesh = parallel.make_mesh(jax.devices()[:1])
  batch = problems.points(data_dir)
  eta = jax.jit(lambda params, batch: Tensors(problem.ansatz, params, batch).eta)(params, batch)
  expected = jnp.sum(batch.weight * jnp.log(eta) ** 2) / jnp.sum(batch.weight)
  optimizer = optax.sgd(0.0)
  step = parallel.compile_step(make_step(problem, optimizer), mesh, "shard_map")
  state = new_state(jnp.int32(0), params, optimizer.init(params))
  epoch = jax.tree.map(lambda a: a[None], batch)
  _, row = step(parallel.replicate(mesh, state), epoch)
  np.testing.assert_allclose(row["loss"], expected, rtol=1e-10)


def test_a_network_that_keeps_features(mine, data_dir):
  problem = MetricProblem(problems.variety(), f"{mine}:Keeper()")
  assert problem.ansatz.path == "jets"
  params = problem.init(jax.random.key(0), 1.0)
  batch = problems.points(data_dir)
  kept = Kept(problem.keep, params, parallel.make_mesh(jax.devices()[:1]), 2**26)(batch)
  assert kept.fixed["s"].shape == (256, 4, 9)
  metric = jax.jit(lambda batch: problem.ansatz.metric(params["network"], batch))
  np.testing.assert_allclose(metric(kept), metric(batch), rtol=1e-12, atol=1e-13)
  assert np.abs(metric(batch) - batch.fubini_study.T).max() > 1e-2
  # What is kept is what is read.
  spoiled = kept._replace(fixed={"s": 2 * kept.fixed["s"]})
  assert np.abs(metric(spoiled) - metric(kept)).max() > 1e-2


def test_a_network_that_returns_a_hermitian_matrix(mine, data_dir):
  """The form d dbar phi, given as a matrix in homogeneous coordinates, is that of phi."""
  batch = problems.points(data_dir)
  c = [1.0, 2.0, 4.0]
  scalar, matrix = (
    MetricProblem(problems.variety(), f"{mine}:{name}(c={c})") for name in ("potential", "form")
  )
  assert (scalar.ansatz.path, matrix.ansatz.path) == ("general", "form")
  got, expected = (jax.jit(problem.ansatz.metric)({}, batch) for problem in (matrix, scalar))
  np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-12)
  assert np.abs(got - batch.fubini_study.T).max() > 1e-2
