"""The harmonic forms of a run in files: harmonic.json, and harmonic.npz with forms at points."""

import pathlib

import jax
import numpy as np

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import description, dwork
from trainer.geometry.deformations import check_nontrivial
from trainer.harmonic import deformations, measure, solve
from trainer.harmonic.parts import InParts
from trainer.quadrature.of_run import Task

# What parts of deformations are kept under.
_UNFINISHED = "deformations"


def check(task: Task) -> None:
  """Raises UserError, before anything long, if there are no such forms."""
  solve.check(task)
  if task.run.config.variety.parameters:
    if task.run.problem.ansatz.potential is None:
      network = task.run.network
      raise UserError(f"the network {network} makes a metric without a potential to deform")
    check_nontrivial(task.variety, description.deformations(task.run.config))


def write_harmonic(task: Task) -> pathlib.Path:
  """Writes harmonic.json and harmonic.npz into the directory of a run.

  harmonic.json has "kaehler", see trainer.harmonic.measure.inner_products, and the "degree" of the
  functions; "deformations" and more of trainer.harmonic.deformations.measure, and the "degree_f"
  of f, if the config names parameters. harmonic.npz has points, their weights of dvol, the metric,
  the forms alpha_i there and "mu" (B, m, n, n), mu^a_bbar [i, b, a] of the parameters "names".

  Args:
    task: checked; its degree is that of deformations at most.

  Returns:
    The path of harmonic.json.
  """
  forms, at = solve.forms_of_run(task), task.heldout()
  values = measure.at_points(task.variety, forms, at)
  found = measure.inner_products(task.variety, values, at.points_per_slice)
  content = {"degree": forms.degree, "kaehler": found}
  if task.run.config.variety.parameters:
    more, mu = _deformations(task, at)
    content, values = content | more, values | {"mu": mu, "names": np.array(more["names"])}
  path = task.write("harmonic", content, values)
  task.unfinished.clear(_UNFINISHED)
  return path


def _deformations(task, at):
  """What harmonic.json has of them, and mu at points."""
  variety, named = task.variety, description.deformations(task.run.config)
  directions = tuple(named.values())
  degree = deformations.degree_for(variety, directions, task.degree)
  count = deformations.num_points(variety, directions, degree)
  task.progress.stage(
    f"deformations along {', '.join(named)}: functions of degree {degree}, {count:,} points to "
    f"fit, {at.num_points:,} held out"
  )
  fit = task.background("train", count)
  in_parts = InParts(task, _UNFINISHED, count + at.num_points)
  lifts = deformations.lifts(variety, task.run.problem.ansatz.metric, directions, degree)
  params = jax.tree.map(lambda a: np.asarray(a, parallel.widest_dtype()), task.params)
  evaluate = lambda at, forms: in_parts(at, lifts, (params, forms), {"forms": forms})
  potentials = deformations.solve(variety, directions, degree, fit, evaluate)
  values = deformations.at_points(variety, potentials, at, evaluate)
  exact = {name: dwork.exact_moduli(variety, by_name) for name, by_name in named.items()}
  found = deformations.measure(values, exact, at.points_per_slice)
  return found | {"degree_f": degree, "names": list(named)}, values["mu"][1]
