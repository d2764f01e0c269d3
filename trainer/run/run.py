"""A run: what is learned, in which phases, and what identifies it; from a config or a workdir."""

import hashlib
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from trainer.errors import UserError
from trainer.geometry.plain import plain
from trainer.optimizers.first_order import make_optimizer
from trainer.problem.network_text import parse_network
from trainer.problem.problem import Problem
from trainer.problem.registry import PROBLEMS, Choice
from trainer.run import checkpoint, checkpoints, chosen, code, mending
from trainer.run import config as configs
from trainer.run.phases import FIRST_ORDER, GAUSS_NEWTON, Phase, make_phases


class Run(NamedTuple):
  """What a config describes, built and checked.

  Attributes:
    asked: the config, as it was given.
    config: the same, with what was chosen for it filled in.
    seed: the run's seed.
    dtype: real dtype of training.
    phases: what is done one after the other.
    phase: the number of the present phase.
    problem: what is learned in the present phase.
    code: the user's own files that the config names, see trainer.run.code.
    choice: what was chosen, for config.network = "auto".
    share: how much of the last correction `problem` has, see trainer.loop.mend.
  """

  asked: ml_collections.ConfigDict
  config: ml_collections.ConfigDict
  seed: int
  dtype: jnp.dtype
  phases: tuple[Phase, ...]
  phase: int
  problem: Problem
  code: code.Code
  choice: Choice | None = None
  share: float = 1.0

  @property
  def present(self) -> Phase:
    """The present phase."""
    return self.phases[self.phase]

  @property
  def network(self) -> str:
    """The network of the present phase, the user's own by the file that this run has of it."""
    return code.relocated(self.present.network, self.code)

  def shrunk(self, share: float) -> "Run":
    """The run with `share` of its last correction, see Problem.shrunk; 1 is all."""
    if share == 1:
      return self
    return self._replace(problem=self.problem.shrunk(share), share=share)

  @property
  def identity(self) -> dict[str, Any]:
    """What makes it this run and no other, JSON-like."""
    return {
      "config": plain(self.asked.to_dict()),
      "seed": self.seed,
      "dtype": self.dtype.name,
      "code": code.digests(self.code),
      "choice": self.choice and self.choice._asdict(),
    }

  def describe(self, num_devices: int) -> str:
    """One line for a person who watches the run start."""
    return (
      f"{self.problem.describe()}, {self.dtype.name}, {num_devices} {jax.default_backend()} "
      f"device(s), {jax.process_count()} process(es)"
    )


def open_run(
  config: ml_collections.ConfigDict,
  seed: int,
  dtype: jnp.dtype,
  files: code.Code | None = None,
  choice: Choice | None = None,
) -> Run:
  """Builds a run, in its last phase, from its config.

  Args:
    config: see trainer.run.config.
    seed: determines points, initial parameters and shuffling.
    dtype: real dtype of training.
    files: the user's own files that the config names; by default where it says they are.
    choice: see trainer.run.chosen, for config.network = "auto".

  Raises:
    UserError: the polynomials are wrong, the network is unknown, or a setting makes no sense.
  """
  files = code.of_config(config) if files is None else files
  asked, config = config, chosen.filled(config, choice)
  phases = make_phases(config)
  if phases[0].optimizer == FIRST_ORDER:
    make_optimizer(**config.optimizer, num_steps=config.steps)  # Refuses what makes no sense.
  last = len(phases) - 1
  problem = _make_problem(config, phases[last], files)
  return Run(asked, config, seed, dtype, phases, last, problem, files, choice)


def files_of(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> code.Code:
  """The user's own files for a run in `workdir`: where a file is gone, the copy kept there."""
  files = code.of_config(config)
  if all(path.is_file() for path in files.values()) or not (workdir / "run.json").exists():
    return files
  copies = code.stored(workdir, checkpoint.read_run(workdir).get("code", {}))
  return {s: path if path.is_file() else copies.get(s, path) for s, path in files.items()}


def enter_phase(run: Run, phase: int) -> Run:
  """The run in one of its phases."""
  if phase == run.phase:
    return run
  problem = _make_problem(run.config, run.phases[phase], run.code)
  return run._replace(phase=phase, problem=problem)


def load_run(workdir: pathlib.Path) -> Run:
  """Builds the run whose home is `workdir`, in its latest phase; UserError if there is none."""
  stored = checkpoint.read_run(workdir)
  config = ml_collections.ConfigDict(stored["config"], convert_dict=True)
  files = code.of_config(config) | code.stored(workdir, stored.get("code", {}))
  dtype, choice = configs.real_dtype(stored["dtype"]), chosen.stored(stored)
  run = open_run(config, stored["seed"], dtype, files, choice)
  run = enter_phase(run, checkpoints.latest_phase(workdir))
  done = mending.read(workdir)
  return run.shrunk(done.share) if done else run


def digest(params: Any) -> str:
  """Tells parameters from others: what a field or a certificate is of."""
  sha = hashlib.sha256()
  for leaf in jax.tree.leaves(params):
    sha.update(np.ascontiguousarray(leaf).tobytes())
  return sha.hexdigest()


def _make_problem(config: ml_collections.ConfigDict, phase: Phase, files: code.Code) -> Problem:
  relocated = lambda text: code.relocated(text, files)
  name, kwargs = parse_network(relocated(config.problem))
  try:
    factory = PROBLEMS.resolve(name)
  except ValueError as error:
    raise UserError(str(error)) from None
  config = config.copy_and_resolve_references()
  config.loss.name = relocated(config.loss.name)
  return factory(config, relocated(phase.network), phase.optimizer == GAUSS_NEWTON, **kwargs)
