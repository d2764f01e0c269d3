"""A run: the manifold, the ansatz and what identifies them, from a config or from a workdir."""

import functools
import math
import pathlib
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from trainer import batch as batches
from trainer import checkpoint
from trainer import config as configs
from trainer import hermitian
from trainer import parallel
from trainer import step
from trainer.ansatz import Ansatz, make_ansatz
from trainer.errors import UserError
from trainer.geometry import smoothness
from trainer.geometry import topology
from trainer.geometry.variety import Variety
from trainer.optimizers.first_order import make_optimizer
from trainer.sampling.sampler import Sampler

# Sampled points the search for singular points starts from.
_SINGULAR_STARTS = 200


class Run(NamedTuple):
  """What a config describes, built and checked.

  Attributes:
    config: the config.
    seed: the run's seed.
    dtype: real dtype of training.
    variety: the manifold.
    volume: its exact volume kappa_{ij..k} t_i t_j .. t_k / n!.
    ansatz: the trainable metric.
    optimizer: the gradient transformation.
  """
  config: ml_collections.ConfigDict
  seed: int
  dtype: jnp.dtype
  variety: Variety
  volume: float
  ansatz: Ansatz
  optimizer: optax.GradientTransformation

  @property
  def identity(self) -> dict[str, Any]:
    """What makes it this run and no other, JSON-like."""
    return {"config": self.config.to_dict(), "seed": self.seed, "dtype": self.dtype.name}

  def describe(self, num_devices: int) -> str:
    """One line for a person who watches the run start."""
    count = sum(p.size for p in jax.tree.leaves(jax.eval_shape(
        self.ansatz.init, jax.random.key(0))))
    return (f"{self.config.network}: {count} parameters on a variety of dimension "
            f"{self.variety.dimension}, d dbar by {self.ansatz.path}, {self.dtype.name}, "
            f"{num_devices} {jax.default_backend()} device(s), {jax.process_count()} process(es)")


def check_smooth(variety: Variety, starts: np.ndarray | None = None) -> None:
  """Raises UserError, with the point, if a search finds a singular point of the variety.

  Args:
    variety: the variety.
    starts: (S, N) complex, where the search starts; None for random points.
  """
  singular = smoothness.find_singular_point(variety, starts)
  if singular is not None:
    point = ", ".join(f"{c:.4g}" for c in singular)
    raise UserError(f"the variety is singular, at z = ({point}): change its polynomials")


def near_singular_points(variety: Variety) -> np.ndarray:
  """The sampled points with the smallest minors of dQ, (S, N) complex: starts for check_smooth."""
  with parallel.geometry_device():
    points = Sampler(variety).block(jax.random.key(0), 0)
  return np.asarray(points.z)[np.argsort(np.asarray(points.omega))[-_SINGULAR_STARTS:]]


def open_run(config: ml_collections.ConfigDict, seed: int, dtype: jnp.dtype) -> Run:
  """Builds a run from its config.

  Raises:
    UserError: the polynomials are wrong, or the network is unknown.
  """
  variety = configs.make_variety(config)
  ansatz = make_ansatz(variety, config.network)
  volume = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  optimizer = make_optimizer(**config.optimizer, num_steps=config.steps)
  return Run(config, seed, dtype, variety, volume, ansatz, optimizer)


def load_run(workdir: pathlib.Path) -> Run:
  """Builds the run whose home is `workdir`; UserError if there is none."""
  stored = checkpoint.read_run(workdir)
  config = ml_collections.ConfigDict(stored["config"], convert_dict=True)
  return open_run(config, stored["seed"], configs.real_dtype(stored["dtype"]))


def first_state(run: Run, omega_integral: float = 1.0) -> step.TrainState:
  """The state a run starts from, given its estimate of integral |Omega|^2."""
  return step.init_state(
      run.ansatz, run.optimizer, jax.random.key(run.seed), math.log(run.volume / omega_integral),
      run.dtype)


def load_state(run: Run, workdir: pathlib.Path) -> step.TrainState:
  """Reads the latest checkpoint of `workdir`; UserError if there is none that fits the run."""
  with checkpoint.open_manager(workdir, 1, read_only=True) as manager:
    return checkpoint.restore(manager, first_state(run))


def load_metric(workdir: str | pathlib.Path) -> jax.tree_util.Partial:
  """Loads a trained metric as an ordinary JAX function.

  Args:
    workdir: the directory of a run.

  Returns:
    metric(x) -> (n, n) complex, g_{a bbar} at the point x = [Re z, Im z], shape (2N,), in the local
    coordinates of that point (trainer.geometry.patches.choose_chart). It is a pytree: pass it through
    jit and vmap, or differentiate it. It computes in the precision of x.

  Raises:
    UserError: there is no trained metric of this program.
  """
  workdir = pathlib.Path(workdir).expanduser().absolute()
  run = load_run(workdir)
  params = load_state(run, workdir).params["network"]
  return jax.tree_util.Partial(functools.partial(_metric_at, run.variety, run.ansatz), params)


def _metric_at(variety: Variety, ansatz: Ansatz, params: Any, x: jax.Array) -> jax.Array:
  n = variety.num_coordinates
  chex.assert_shape(x, (2 * n,))
  params = jax.tree.map(lambda a: jnp.asarray(a, x.dtype), params)
  z = jax.lax.complex(x[:n], x[n:])
  batch = batches.prepare(variety, z[None], jnp.ones((1,), x.dtype))
  return hermitian.unpack(ansatz.metric(params, batch))[0]
