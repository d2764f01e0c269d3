"""What a run whose network is "auto" has instead: chosen once, kept in run.json."""

import pathlib

import ml_collections

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.problem.network_text import parse_network
from trainer.problem.registry import CHOOSERS, Choice
from trainer.run import checkpoint

AUTO = "auto"


def choose(config: ml_collections.ConfigDict, workdir: pathlib.Path, memory: int) -> Choice | None:
  """The choice of the run in `workdir`, a new one where there is none; None if nothing is asked.

  Args:
    config: the run's config.
    workdir: its home.
    memory: bytes of a device for intermediate results.

  Raises:
    UserError: the problem cannot choose.
  """
  if config.network != AUTO:
    return None
  path = workdir / "run.json"
  if path.exists() and (found := stored(checkpoint.read_run(workdir))):
    return found
  try:
    chooser = CHOOSERS.resolve(parse_network(config.problem)[0])
  except ValueError as error:
    raise UserError(f"config.network = {AUTO!r}: {error}") from None
  # Every process measures its own machine.
  return Choice(**parallel.of_first_process(chooser(config, memory)._asdict()))


def stored(run: dict) -> Choice | None:
  """The choice among what run.json holds."""
  return Choice(**run["choice"]) if run.get("choice") else None


def filled(config: ml_collections.ConfigDict, choice: Choice | None) -> ml_collections.ConfigDict:
  """The config with what was chosen filled in."""
  if choice is None:
    return config
  config = config.copy_and_resolve_references()
  with config.ignore_type():
    config.update_from_flattened_dict(choice.fields)
  return config
