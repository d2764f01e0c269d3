"""Small problems for the Gauss-Newton tests."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from configs import fermat_cubic
from trainer.devices import parallel
from trainer.geometry import description
from trainer.metric.problem import MetricProblem
from trainer.points import dataset
from trainer.run import config as configs

NETWORKS = {
  "network": "phi_mlp(widths=(3,))",
  "algebraic": "algebraic(degree=3)",
  "terms": "algebraic(degree=1)",
  "invariant": "invariant(degree=4, permutations=((1, 2, 0),))",
  "sum": "algebraic(degree=2) + curvature_mlp(widths=(3,))",
}


@functools.cache
def variety(factors: int = 1, moduli: tuple[float, ...] = ()):
  if factors == 1:
    return description.make_variety(fermat_cubic.get_config())
  config = configs.default_config()
  config.variety = description.variety((1, 2), ((2,), (3,)), moduli=moduli)
  return description.make_variety(config)


@functools.cache
def points(data_dir: pathlib.Path, num_points: int = 256, factors: int = 1, moduli=()):
  """Rows on one device, float64."""
  mesh = parallel.make_mesh(jax.devices()[:1])
  source = dataset.of_variety(variety(factors, moduli), "train", 0, data_dir, mesh, jnp.float64)
  return jax.tree.map(jnp.asarray, dataset.load(source, num_points).batch)


def linearisation(kind: str, factors: int = 1, moduli=()):
  """The linearisation, and parameters near Fubini-Study at which nothing is special."""
  problem = MetricProblem(variety(factors, moduli), NETWORKS[kind])
  network = problem.ansatz.init(jax.random.key(0))
  rng = np.random.default_rng(1)
  sizes = {"network": 0.2, "base": 0.02, "correction": 0.2}
  near = lambda size, part: jax.tree.map(
    lambda a: jnp.asarray(a + size * rng.normal(size=a.shape), jnp.float64), part
  )
  if kind == "sum":
    network = {part: near(sizes[part], network[part]) for part in network}
  else:
    network = near(sizes.get(kind, 0.02), network)
  params = {"network": network, "log_kappa": jnp.asarray(-0.3, jnp.float64)}
  return problem.linearise(), params, problem
