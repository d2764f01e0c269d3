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

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import hermitian, smoothness, topology
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import Ansatz, make_ansatz
from trainer.optimizers import first_order_step as step
from trainer.optimizers import gauss_newton
from trainer.optimizers.first_order import make_optimizer
from trainer.points import batch as batches
from trainer.run import checkpoint
from trainer.run import config as configs
from trainer.run.phases import FIRST_ORDER, Phase, make_phases
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
    phases: what is done one after the other.
    phase: the number of the present phase.
    ansatz: the trainable metric of the present phase.
    optimizer: the gradient transformation of a first-order phase, else None.
  """

  config: ml_collections.ConfigDict
  seed: int
  dtype: jnp.dtype
  variety: Variety
  volume: float
  phases: tuple[Phase, ...]
  phase: int
  ansatz: Ansatz
  optimizer: optax.GradientTransformation | None

  @property
  def identity(self) -> dict[str, Any]:
    """What makes it this run and no other, JSON-like."""
    return {"config": self.config.to_dict(), "seed": self.seed, "dtype": self.dtype.name}

  def describe(self, num_devices: int) -> str:
    """One line for a person who watches the run start."""
    count = sum(
      p.size for p in jax.tree.leaves(jax.eval_shape(self.ansatz.init, jax.random.key(0)))
    )
    return (
      f"{self.phases[self.phase].network}: {count} parameters on a variety of dimension "
      f"{self.variety.dimension}, d dbar by {self.ansatz.path}, {self.dtype.name}, "
      f"{num_devices} {jax.default_backend()} device(s), {jax.process_count()} process(es)"
    )


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
  """Builds a run, in its last phase, from its config.

  Raises:
    UserError: the polynomials are wrong, the network is unknown, or a setting makes no sense.
  """
  variety = configs.make_variety(config)
  volume = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  phases = make_phases(config)
  optimizer = None
  if phases[0].optimizer == FIRST_ORDER:
    optimizer = make_optimizer(**config.optimizer, num_steps=config.steps)
  last = len(phases) - 1
  ansatz = make_ansatz(variety, phases[last].network)
  first = ansatz
  while first.base is not None:
    first = first.base
  if (config.start == configs.BALANCED or config.continuation) and first.sections is None:
    raise UserError(
      "config.start = 'balanced' and config.continuation are for algebraic networks, not for "
      f"{config.network}"
    )
  return Run(config, seed, dtype, variety, volume, phases, last, ansatz, optimizer)


def enter_phase(run: Run, phase: int) -> Run:
  """The run in one of its phases."""
  network = run.phases[phase].network
  if network == run.phases[run.phase].network:
    return run._replace(phase=phase)
  return run._replace(phase=phase, ansatz=make_ansatz(run.variety, network))


def load_run(workdir: pathlib.Path) -> Run:
  """Builds the run whose home is `workdir`, in its latest phase; UserError if there is none."""
  stored = checkpoint.read_run(workdir)
  config = ml_collections.ConfigDict(stored["config"], convert_dict=True)
  run = open_run(config, stored["seed"], configs.real_dtype(stored["dtype"]))
  return enter_phase(run, checkpoint.latest_phase(workdir))


def first_state(run: Run, omega_integral: float = 1.0) -> step.TrainState:
  """The state of the present phase at the ansatz' own starting metric.

  Args:
    run: the run.
    omega_integral: an estimate of integral |Omega|^2; kappa starts from it.

  Returns:
    The state.
  """
  params = step.init_params(
    run.ansatz, jax.random.key(run.seed), math.log(run.volume / omega_integral), run.dtype
  )
  return enter_state(run, params, jnp.int32(0))


def enter_state(run: Run, params: Any, steps: jax.Array) -> step.TrainState:
  """The state a phase starts with, from parameters of its network and the number of steps done."""
  if run.phases[run.phase].optimizer == FIRST_ORDER:
    optimizer = run.optimizer.init(params)
  else:
    optimizer = gauss_newton.init(
      run.ansatz.trained(params), params, run.config.gauss_newton.damping
    )
  return step.TrainState(steps, params, optimizer, jnp.int32(-1))


def load_state(run: Run, workdir: pathlib.Path) -> step.TrainState:
  """Reads the latest checkpoint of the present phase; UserError if there is none that fits the run."""
  with checkpoint.open_manager(workdir, run.phase, 1, read_only=True) as manager:
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
