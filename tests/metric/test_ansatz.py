"""The phi ansatz: both ways to d dbar phi, and networks of the user's own."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import k3_quartic
from networks import registry
from tests.optimizers import problems
from trainer.errors import UserError
from trainer.geometry import description, hermitian
from trainer.metric.ansatz import make_ansatz
from trainer.points import batch as batches
from trainer.problem.network_text import parse_network, split_terms
from trainer.sampling import datasets
from trainer.sampling.sampler import Sampler

_NETWORK = "phi_mlp(widths=(6, 5), activation='tanh')"


@pytest.fixture(scope="module")
def variety():
  return description.make_variety(k3_quartic.get_config())


@pytest.fixture(scope="module")
def batch(variety, data_dir):
  points = datasets.load_or_sample(
    Sampler(variety), seed=0, split="train", start=0, stop=12, directory=data_dir
  )
  prepare = jax.jit(batches.prepare, static_argnums=0)
  return prepare(variety, jnp.asarray(points.z), jnp.asarray(points.weight))


@registry.register("test_general_mlp")
class _WithoutJets(hk.Module):
  """phi_mlp for the general path: the same parameters, jets not offered."""

  def __init__(self, ambient, name=None):
    super().__init__(name=name)
    self._phi = registry.resolve("phi_mlp")(ambient, (6, 5), "tanh", name="phi_mlp")

  def __call__(self, x):
    return self._phi(x)


def _random(params):
  """Parameters none of which is zero."""
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(3), len(leaves))
  return tree.unflatten([jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves)])


def test_general_path_equals_jets(variety, batch):
  fast, general = make_ansatz(variety, _NETWORK), make_ansatz(variety, "test_general_mlp")
  assert (fast.path, general.path) == ("jets", "general")
  params = _random(fast.init(jax.random.key(0)))
  renamed = dict(zip(general.init(jax.random.key(0)), params.values()))
  expected = jax.jit(fast.metric)(params, batch)
  np.testing.assert_allclose(
    jax.jit(general.metric)(renamed, batch), expected, rtol=1e-11, atol=1e-11
  )
  assert float(jnp.max(jnp.abs(expected - batch.fubini_study.T))) > 1e-2


def test_training_starts_at_fubini_study(variety, batch):
  ansatz = make_ansatz(variety, _NETWORK)
  metric = jax.jit(ansatz.metric)(ansatz.init(jax.random.key(0)), batch)
  np.testing.assert_array_equal(metric, batch.fubini_study.T)


def test_general_path_of_a_function_known_in_closed_form(variety, batch, tmp_path):
  """phi = log(sum_i c_i |z_i|^2) - log |z|^2 is the difference of two Kaehler potentials."""
  (tmp_path / "mine.py").write_text(
    "import jax.numpy as jnp\n"
    "def phi(x, c):\n"
    "  size = x[:4] ** 2 + x[4:] ** 2\n"
    "  return jnp.log(size @ jnp.asarray(c, x.dtype)) - jnp.log(size.sum())\n"
  )
  c = np.array([1.0, 2.0, 3.0, 4.0])
  ansatz = make_ansatz(variety, f"{tmp_path}/mine.py:phi(c={c.tolist()})")
  n = variety.num_coordinates
  z = np.asarray(batch.x[:, :n] + 1j * batch.x[:, n:])

  def closed_form(c):
    """d dbar log(sum c |z|^2), pulled back."""
    size = (np.abs(z) ** 2) @ c
    ambient = (
      np.diag(c) / size[:, None, None]
      - (c * z.conj())[:, :, None] * (c * z)[:, None, :] / size[:, None, None] ** 2
    )
    j = np.asarray(batch.pullback)
    return np.einsum("bai,bij,bcj->bac", j, ambient, j.conj())

  expected = closed_form(c) - closed_form(np.ones(n))
  metric = hermitian.unpack(jax.jit(ansatz.metric)({}, batch) - batch.fubini_study.T)
  np.testing.assert_allclose(metric, expected, atol=1e-12)


def test_float32_stays_float32(data_dir):
  """The metric, its gradient and what is kept of a point."""
  variety, batch = problems.variety(), problems.points(data_dir)
  networks = "algebraic(degree=2) + curvature_mlp(widths=(3,))", "invariant(degree=4)"
  for network in (_NETWORK, "test_general_mlp", *networks):
    ansatz = make_ansatz(variety, network)
    params = jax.tree.map(lambda a: a.astype(jnp.float32), ansatz.init(jax.random.key(0)))
    points = batches.cast(batch, jnp.float32)
    if ansatz.keep:
      kept = jax.eval_shape(ansatz.keep, params, points)
      assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(kept))
      points = points._replace(fixed=kept)
    jaxpr = jax.make_jaxpr(
      jax.grad(lambda p, b: jnp.sum(hermitian.determinant(ansatz.metric(p, b))))
    )(params, points)
    assert "f64" not in str(jaxpr) and "c128" not in str(jaxpr)


def test_parse_network():
  assert parse_network("phi_mlp") == ("phi_mlp", {})
  assert parse_network("a.py:F(b=(1, 2), c='x')") == ("a.py:F", {"b": (1, 2), "c": "x"})
  for text in ("f(1)", "f(a=b)", "f(a=1", "f(a=1).b", "f(a=1) +"):
    with pytest.raises(UserError, match="cannot read the network"):
      parse_network(text)


def test_a_sum_adds_what_each_network_corrects(data_dir):
  """g - g_FS of a sum is the sum of the networks' own; the (2, 2) jet has the same g."""
  variety = problems.variety()
  batch = jax.tree.map(lambda a: a[:12], problems.points(data_dir))
  terms = ["algebraic(degree=2)", "phi_mlp(widths=(3,))"]
  assert split_terms(" + ".join(terms)) == terms
  parts, total = (
    [make_ansatz(variety, term) for term in terms],
    make_ansatz(variety, " + ".join(terms)),
  )
  params = _random(total.init(jax.random.key(0)))
  params["base"] = jax.tree.map(lambda h: jnp.eye(len(h)) + 0.02 * h, params["base"])
  alone = [
    jax.jit(part.metric)(params[name], batch) - batch.fubini_study.T
    for part, name in zip(parts, ("base", "correction"), strict=True)
  ]
  assert min(np.abs(a).max() for a in alone) > 1e-3
  g = jax.jit(total.metric)(params, batch)
  np.testing.assert_allclose(g, batch.fubini_study.T + sum(alone), rtol=1e-11, atol=1e-12)
  n = variety.dimension
  rows = jax.jit(total.potential)(params, batch)
  np.testing.assert_allclose(rows[1 + 2 * n : (1 + n) ** 2], g, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
  "network, message",
  [
    ("phi_mlp(width=3)", "width"),
    ("phi_mlp(widths=(0,))", "positive"),
    ("phi_mlp(activation='gelo')", "gelo"),
    ("jax.numpy:sin", "real scalar"),
    ("jax.numpy:no_such_function", "no_such_function"),
  ],
)
def test_wrong_networks_are_refused(variety, network, message):
  with pytest.raises(UserError, match=message):
    make_ansatz(variety, network)
