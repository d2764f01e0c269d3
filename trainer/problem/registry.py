"""Problems a config may name in `config.problem`: registered ones and a user's own.

A problem is made by factory(config, network, squares) -> Problem, a class or a function:

  config    the run's config
  network   the text of the phase's network
  squares   whether the phase is solved by Gauss-Newton, as a least-squares problem
"""

from networks.registry import Registry

PROBLEMS = Registry("problem", {"metric": "trainer.metric.problem:metric_problem"})
