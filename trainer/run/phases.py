"""What a run does one after the other.

First-order steps, then Gauss-Newton, degree by degree and term by term.
"""

from typing import NamedTuple

import ml_collections

from trainer.errors import UserError
from trainer.problem.network_text import format_network, parse_network, split_terms

FIRST_ORDER, GAUSS_NEWTON = "first_order", "gauss_newton"


class Phase(NamedTuple):
  """Steps of one optimiser on one network.

  Attributes:
    optimizer: FIRST_ORDER or GAUSS_NEWTON.
    network: see trainer.metric.ansatz.make_ansatz.
    rough: whether a higher degree follows, which needs no exact minimum to start from.
  """

  optimizer: str
  network: str
  rough: bool = False


def make_phases(config: ml_collections.ConfigDict) -> tuple[Phase, ...]:
  """The phases of a run, at least one.

  Args:
    config: `steps` first-order steps come first, if any, then Gauss-Newton, if `gauss_newton.steps`
      is positive. An algebraic network goes through the degrees of `continuation` before its own.
      Of a sum of networks the first is trained alone, then the second on top of it, and so on.

  Raises:
    UserError: there is nothing to do, or the degrees do not rise up to the network's.
  """
  first, *corrections = split_terms(config.network)
  networks = _continuation(config, first)
  phases = [Phase(FIRST_ORDER, networks[0])] if config.steps else []
  if config.gauss_newton.steps:
    phases += [Phase(GAUSS_NEWTON, network, rough=True) for network in networks[:-1]]
    phases += [
      Phase(GAUSS_NEWTON, " + ".join([first, *corrections[:i]]))
      for i in range(len(corrections) + 1)
    ]
  if not phases:
    raise UserError("config.steps and config.gauss_newton.steps are both 0: nothing to train")
  if len(networks) > 1 and not config.gauss_newton.steps:
    raise UserError("config.continuation needs config.gauss_newton.steps > 0")
  if corrections and not config.gauss_newton.steps:
    raise UserError(
      f"config.network = {config.network}: a sum of networks needs config.gauss_newton.steps > 0"
    )
  return tuple(phases)


def _continuation(config, network):
  degrees = tuple(config.continuation)
  if not degrees:
    return [network]
  name, kwargs = parse_network(network)
  last = kwargs.get("degree")
  if last is None or any(a >= b for a, b in zip(degrees, (*degrees[1:], last), strict=True)):
    raise UserError(
      f"config.continuation = {degrees} must be rising degrees below that of "
      f"config.network = {network}"
    )
  return [format_network(name, kwargs | {"degree": degree}) for degree in (*degrees, last)]
