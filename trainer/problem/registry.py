"""Problems a config may name in `config.problem`: registered ones and a user's own.

A problem is made by factory(config, network, squares) -> Problem, a class or a function:

  config    the run's config
  network   the text of the phase's network
  squares   whether the phase is solved by Gauss-Newton, as a least-squares problem

For config.network = "auto" a problem's chooser(config, memory) -> Choice fills fields of the config
in; a problem of one's own has none, and its network is named.
"""

from typing import Any, NamedTuple

from networks.registry import Registry

PROBLEMS = Registry(
  "problem",
  {
    "metric": "trainer.metric.problem:metric_problem",
    "harmonic_11": "trainer.harmonic.problem:harmonic_problem",
  },
)
CHOOSERS = Registry("problem that chooses its network", {"metric": "trainer.metric.choice:choose"})


class Choice(NamedTuple):
  """What is filled in for config.network = "auto".

  Attributes:
    fields: "section.field" of the config -> value.
    reason: why, in a few words.
    seconds: predicted, of the whole run.
  """

  fields: dict[str, Any]
  reason: str
  seconds: float

  def __str__(self) -> str:
    fields = ", ".join(f"{name} = {value}" for name, value in self.fields.items() if value)
    return f"{fields} ({self.reason}; about {self.seconds:,.0f} s in all)"
