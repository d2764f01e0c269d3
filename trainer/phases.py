"""What a run does one after the other: first-order steps, then Gauss-Newton, degree by degree."""

from typing import NamedTuple

import ml_collections

from trainer.ansatz import format_network, parse_network
from trainer.errors import UserError

FIRST_ORDER, GAUSS_NEWTON = "first_order", "gauss_newton"


class Phase(NamedTuple):
  """Steps of one optimiser on one network.

  Attributes:
    optimizer: FIRST_ORDER or GAUSS_NEWTON.
    network: see trainer.ansatz.make_ansatz.
  """
  optimizer: str
  network: str


def make_phases(config: ml_collections.ConfigDict) -> tuple[Phase, ...]:
  """The phases of a run, at least one.

  Args:
    config: `steps` first-order steps come first, if any, then Gauss-Newton, if `gauss_newton.steps` is
      positive. An algebraic network goes through the degrees of `continuation` before its own.

  Raises:
    UserError: there is nothing to do, or the degrees do not rise up to the network's.
  """
  networks = _continuation(config)
  phases = [Phase(FIRST_ORDER, networks[0])] if config.steps else []
  if config.gauss_newton.steps:
    phases += [Phase(GAUSS_NEWTON, network) for network in networks]
  if not phases:
    raise UserError("config.steps and config.gauss_newton.steps are both 0: nothing to train")
  if len(networks) > 1 and not config.gauss_newton.steps:
    raise UserError("config.continuation needs config.gauss_newton.steps > 0")
  return tuple(phases)


def _continuation(config):
  degrees = tuple(config.continuation)
  if not degrees:
    return [config.network]
  name, kwargs = parse_network(config.network)
  last = kwargs.get("degree")
  if last is None or any(a >= b for a, b in zip(degrees, (*degrees[1:], last), strict=True)):
    raise UserError(f"config.continuation = {degrees} must be rising degrees below that of "
                    f"config.network = {config.network}")
  return [format_network(name, kwargs | {"degree": degree}) for degree in (*degrees, last)]
