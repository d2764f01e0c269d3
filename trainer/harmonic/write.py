"""Harmonic forms of a run in files: harmonic.json and deformations.json, with forms at points."""

from __future__ import annotations

import pathlib

import jax
import numpy as np

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import description, dwork, jacobian_ring
from trainer.geometry.deformations import check_nontrivial, polynomial_basis
from trainer.harmonic import deformations, family, measure, solve
from trainer.harmonic.parts import InParts
from trainer.quadrature.of_run import Task

# What parts of deformations are kept under.
_UNFINISHED = "deformations"
# Points that all deformations are measured at, unless more are asked for.
_POINTS = 4000


def check(task: Task) -> None:
  """Raises UserError, before anything long, if there are no such forms."""
  solve.check(task)
  if task.run.config.variety.parameters:
    check_deformations(task)
    check_nontrivial(task.variety, description.deformations(task.run.config))


def check_deformations(task: Task) -> None:
  """Raises UserError if a metric cannot be deformed."""
  if task.run.problem.ansatz.potential is None:
    network = task.run.network
    raise UserError(f"the network {network} makes a metric without a potential to deform")


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
    named = description.deformations(task.run.config)
    lifts, degree = _lifts(task, named, at)
    exact = {name: dwork.exact_moduli(task.variety, p) for name, p in named.items()}
    content |= deformations.measure(lifts, exact, at.points_per_slice)
    content |= {"degree_f": degree, "names": list(named)}
    values |= {"mu": lifts["mu"][1], "names": np.array(list(named))}
  path = task.write("harmonic", content, values)
  task.unfinished.clear(_UNFINISHED)
  return path


def write_deformations(task: Task) -> pathlib.Path:
  """Writes deformations.json and deformations.npz: all polynomial deformations of a manifold.

  deformations.json has "G" and "y" of each by its "names", {"value", "stderr", "exact"}, the
  "least_eigenvalue" of the metric, the "degree_f" of f and "residual", rms(k - <k>) / sqrt(tr G)
  before and after; "jacobian_ring" is the rms deviation of all couplings from those of the ring,
  known up to one factor, in their errors. deformations.npz has "metric" (m, m) and "couplings"
  (m,) * n, of integral |Omega|^2 = 1, "exact_couplings", the ring's times the factor that fits
  best, each with its "_stderr", and "mu" (B, m, n, n) at points "x" of quadrature weights "weight".

  Args:
    task: checked; its degree is that of f at most.

  Returns:
    The path of deformations.json.
  """
  named, variety = polynomial_basis(task.variety), task.variety
  at = task.background("heldout", task.num_points or _POINTS, task.seed)
  lifts, degree = _lifts(task, named, at)
  ratios = jacobian_ring.couplings(variety, list(named.values()))
  found = family.measure(lifts, at.points_per_slice, ratios)
  exact = [dwork.exact_moduli(variety, direction) or (None, None) for direction in named.values()]

  def entries(estimate, which):
    triples = zip(named, estimate.value, estimate.stderr, exact, strict=True)
    return {
      name: {"value": float(v.real), "stderr": float(e), "exact": known[which]}
      for name, v, e, known in triples
    }

  g = found.metric.value
  before, after = (np.sum(deformations.variances(lifts), axis=1) / np.trace(g).real) ** 0.5
  diagonal = found.metric._replace(value=np.diagonal(g), stderr=np.diagonal(found.metric.stderr))
  content = {
    "names": list(named),
    "G": entries(diagonal, 0),
    "least_eigenvalue": float(np.linalg.eigvalsh((g + g.conj().T) / 2)[0]),
    "degree_f": degree,
    "points": at.num_points,
    "residual": {"before": float(before), "after": float(after)},
  }
  arrays = {"metric": g, "metric_stderr": found.metric.stderr}
  if found.couplings:
    content |= {"y": entries(found.yukawa, 1), "jacobian_ring": found.deviation}
    arrays["couplings"], arrays["couplings_stderr"] = found.couplings
  if found.exact:
    arrays["exact_couplings"], arrays["exact_couplings_stderr"] = found.exact
  x = np.asarray(parallel.gather_rows(at.rows.x))[: at.num_points]
  arrays |= {
    "names": np.array(list(named)),
    "x": x,
    "weight": lifts["weight"],
    "mu": lifts["mu"][1],
  }
  path = task.write("deformations", content, arrays)
  task.unfinished.clear(_UNFINISHED)
  return path


def _lifts(task, named, at):
  """trainer.harmonic.deformations.at_points of named deformations, and the degree of f."""
  variety, directions = task.variety, tuple(named.values())
  degree = deformations.degree_for(variety, directions, task.degree)
  count = deformations.num_points(variety, directions, degree)
  along = ", ".join(named) if len(named) <= 4 else f"{len(named)} directions"
  task.progress.stage(
    f"deformations along {along}: functions of degree {degree}, {count:,} points to "
    f"fit, {at.num_points:,} held out"
  )
  fit = task.background("train", count)
  in_parts = InParts(task, _UNFINISHED, count + at.num_points)
  lifts = deformations.lifts(variety, task.run.problem.ansatz.metric, directions, degree)
  params = jax.tree.map(lambda a: np.asarray(a, parallel.widest_dtype()), task.params)
  evaluate = lambda at, forms: in_parts(
    at, lifts, (params, forms), {"forms": forms, "names": np.array(list(named))}
  )
  potentials = deformations.solve(variety, directions, degree, fit, evaluate)
  return deformations.at_points(variety, potentials, at, evaluate), degree
