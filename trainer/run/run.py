"""A run: what is learned, in which phases, and what identifies it; from a config or a workdir."""

import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections

from trainer.errors import UserError
from trainer.optimizers.first_order import make_optimizer
from trainer.problem.network_text import parse_network
from trainer.problem.problem import Problem
from trainer.problem.registry import PROBLEMS
from trainer.run import checkpoint, mending
from trainer.run import config as configs
from trainer.run.phases import FIRST_ORDER, GAUSS_NEWTON, Phase, make_phases


class Run(NamedTuple):
  """What a config describes, built and checked.

  Attributes:
    config: the config.
    seed: the run's seed.
    dtype: real dtype of training.
    phases: what is done one after the other.
    phase: the number of the present phase.
    problem: what is learned in the present phase.
    share: how much of the last correction `problem` has, see trainer.loop.mend.
  """

  config: ml_collections.ConfigDict
  seed: int
  dtype: jnp.dtype
  phases: tuple[Phase, ...]
  phase: int
  problem: Problem
  share: float = 1.0

  @property
  def present(self) -> Phase:
    """The present phase."""
    return self.phases[self.phase]

  def shrunk(self, share: float) -> "Run":
    """The run with `share` of its last correction, see Problem.shrunk; 1 is all."""
    if share == 1:
      return self
    return self._replace(problem=self.problem.shrunk(share), share=share)

  @property
  def identity(self) -> dict[str, Any]:
    """What makes it this run and no other, JSON-like."""
    return {"config": self.config.to_dict(), "seed": self.seed, "dtype": self.dtype.name}

  def describe(self, num_devices: int) -> str:
    """One line for a person who watches the run start."""
    return (
      f"{self.problem.describe()}, {self.dtype.name}, {num_devices} {jax.default_backend()} "
      f"device(s), {jax.process_count()} process(es)"
    )


def open_run(config: ml_collections.ConfigDict, seed: int, dtype: jnp.dtype) -> Run:
  """Builds a run, in its last phase, from its config.

  Raises:
    UserError: the polynomials are wrong, the network is unknown, or a setting makes no sense.
  """
  phases = make_phases(config)
  if phases[0].optimizer == FIRST_ORDER:
    make_optimizer(**config.optimizer, num_steps=config.steps)  # Refuses what makes no sense.
  last = len(phases) - 1
  return Run(config, seed, dtype, phases, last, _make_problem(config, phases[last]))


def enter_phase(run: Run, phase: int) -> Run:
  """The run in one of its phases."""
  if phase == run.phase:
    return run
  return run._replace(phase=phase, problem=_make_problem(run.config, run.phases[phase]))


def load_run(workdir: pathlib.Path) -> Run:
  """Builds the run whose home is `workdir`, in its latest phase; UserError if there is none."""
  stored = checkpoint.read_run(workdir)
  config = ml_collections.ConfigDict(stored["config"], convert_dict=True)
  run = open_run(config, stored["seed"], configs.real_dtype(stored["dtype"]))
  run = enter_phase(run, checkpoint.latest_phase(workdir))
  done = mending.read(workdir)
  return run.shrunk(done.share) if done else run


def _make_problem(config: ml_collections.ConfigDict, phase: Phase) -> Problem:
  name, kwargs = parse_network(config.problem)
  try:
    factory = PROBLEMS.resolve(name)
  except ValueError as error:
    raise UserError(str(error)) from None
  return factory(config, phase.network, phase.optimizer == GAUSS_NEWTON, **kwargs)
