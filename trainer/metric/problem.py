"""Ricci-flat metrics as a problem: parameters {"network", "log_kappa"}, residual eta - 1 or R."""

from collections.abc import Callable, Sequence
import copy
import math
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from networks.algebraic import FullForm
from trainer.errors import UserError
from trainer.geometry import hermitian, kaehler_class, topology
from trainer.geometry.description import make_variety
from trainer.geometry.symmetries import Symmetry, make_symmetries
from trainer.geometry.variety import Variety
from trainer.metric import (
  algebraic,
  ansatz,
  balanced,
  curvature_measures,
  forms,
  inspection,
  invariance,
  invariant,  # noqa: F401  Imported, it registers its linearisation with forms.
  lift,
  losses,
  measures,
)
from trainer.metric.losses import Tensors
from trainer.points import batch as batches
from trainer.points import dataset
from trainer.points.batch import Batch
from trainer.points.concentration import CONCENTRATIONS, OFF, make_sampler
from trainer.problem import linearise
from trainer.problem.linearise import Linearisation, Residual
from trainer.problem.network_text import parse_network, split_terms
from trainer.problem.problem import Findings, Look, Problem, Values
from trainer.sampling import singular
from trainer.sampling.sampler import Sampler
from trainer.sampling.statistics import Measure

# The metrics a run may start from.
FUBINI_STUDY, BALANCED = STARTS = ("fubini_study", "balanced")


class MetricProblem(Problem):
  """A metric in a Kaehler class of a variety, to be made Ricci-flat."""

  merit = "sigma"
  reference = "fubini_study"
  sensible = "min_relative_eigenvalue", "positive definite"

  def __init__(
    self,
    variety: Variety,
    network: str,
    loss: losses.Loss = losses.monge_ampere,
    power: int = 2,
    start: str = FUBINI_STUDY,
    concentration: str = OFF,
    symmetries: Sequence[Symmetry] = (),
  ):
    """Builds it.

    Args:
      variety: the manifold.
      network: see trainer.metric.ansatz.make_ansatz.
      loss: what is to vanish.
      power: see Problem.
      start: one of STARTS.
      concentration: of points, see trainer.points.concentration.
      symmetries: from which a certificate tells the deviation.

    Raises:
      UserError: the network cannot be built.
    """
    self.variety, self.network, self.power = variety, network, power
    self.ansatz = ansatz.make_ansatz(variety, network)
    self.volume = topology.volume(variety.ambient, variety.degrees, variety.moduli)
    self.points_per_slice = Sampler(variety).points_per_slice
    self._loss, self._start, self._concentration = loss, start, concentration
    self._symmetries = tuple(symmetries)
    if self.ansatz.keep:
      self.keep = lambda params, batch: self.ansatz.keep(params["network"], batch)

  def describe(self) -> str:
    """The network, its size and how g is made of it."""
    shapes = jax.tree.leaves(jax.eval_shape(self.ansatz.init, jax.random.key(0)))
    count = sum(shape.size for shape in shapes)
    return (
      f"{self.network}: {count} parameters on a variety of dimension {self.variety.dimension}, "
      f"d dbar by {self.ansatz.path}{algebraic.describe(self.variety, self.ansatz.form)}"
    )

  def check(self, thorough: bool) -> None:
    """UserError if the network is not invariant, or a search finds the variety singular.

    `thorough`: the search starts from sampled points.
    """
    if not thorough:
      invariance.check_invariance(self.variety, self.network)
    starts = singular.near_singular_points(self.variety) if thorough else None
    singular.check_smooth(self.variety, starts)

  # --- Parameters.

  def init(self, key: jax.Array, mean_weight: float) -> Any:
    """The ansatz' own starting metric, kappa = Vol / integral |Omega|^2."""
    log_kappa = math.log(self.volume / mean_weight)
    return {"network": self.ansatz.init(key), "log_kappa": jnp.asarray(log_kappa)}

  def start(self, params: Any, points: Callable[[], Batch], mesh: jax.sharding.Mesh) -> Any:
    """Donaldson's balanced metric where the config asks for it; kappa stays."""
    if self._start != BALANCED:
      return params
    form = balanced.balanced_metric(self.variety, self.ansatz.form.degree, points(), mesh)
    balanced_params = jax.tree.map(lambda h: form.astype(h.dtype), params["network"])
    return self.admit(params | {"network": balanced_params})

  def inherit(self, before: Problem, params: Any, initial: Any) -> Any:
    """The metric stays what it was where the network does.

    An algebraic metric of higher degree starts as in trainer.metric.lift, a correction at its own
    first parameters.
    """
    if len(split_terms(self.network)) > len(split_terms(before.network)):
      return params | {"network": initial["network"] | {"base": params["network"]}}
    if self.network == before.network:
      return params
    low, high = before.ansatz.form.degree, self.ansatz.form.degree
    raised = lift.raise_degree(self.variety, params["network"], low, high)
    return params | {"network": raised}

  def admit(self, params: Any) -> Any:
    """An algebraic metric's form is kept positive."""
    if self.ansatz.admit is None:
      return params
    return params | {"network": self.ansatz.admit(params["network"])}

  def num_parameters(self, params: Any) -> int:
    """Those of the network."""
    return super().num_parameters(params["network"])

  def trained(self, params: Any) -> Any:
    """All, but of a sum of networks only the last with kappa."""
    if self.ansatz.below is None:
      return params
    return params | {"network": params["network"]["correction"]}

  def with_trained(self, params: Any, part: Any) -> Any:
    """See Problem."""
    if self.ansatz.below is None:
      return part
    return part | {"network": params["network"] | {"correction": part["network"]}}

  # --- Points.

  def source(self, split, seed, directory, mesh, dtype, progress=None) -> dataset.Source:
    """Sampled points of the variety."""
    sampler = make_sampler(self.variety, self._concentration)
    return dataset.of_variety(self.variety, split, seed, directory, mesh, dtype, progress, sampler)

  def abstract_points(self, num_points: int, dtype: jnp.dtype) -> Batch:
    """Their shapes."""
    return batches.abstract(self.variety, num_points, dtype)

  # --- What is to vanish.

  def residual(self, params: Any, batch: Batch) -> Residual:
    """The loss at points, admissible where g is positive definite; sigma is watched."""
    return losses.residual(self._loss, Tensors(self.ansatz, params, batch))

  def linearise(self, slopes: bool = True) -> Linearisation:
    """A form's own of eta - 1 and, unless slopes are not asked for, d eta; else by autodiff."""
    if self.ansatz.form is None or self._loss is not losses.monge_ampere:
      return linearise.by_autodiff(self)
    return forms.linearise(self.ansatz.form, self.variety if slopes else None)

  # --- What is measured.

  def values(self, params: Any, batch: Batch) -> dict[str, jax.Array]:
    """Those of trainer.metric.measures.PointValues and g, packed (B, n * n), as "metric"."""
    return _values(self.ansatz.metric(params["network"], batch), batch)

  def reference_values(self, params: Any, batch: Batch) -> dict[str, jax.Array]:
    """Those of the Fubini-Study metric, which has no parameters."""
    del params
    return _values(batch.fubini_study.T, batch)

  def validate(self, values: Values) -> dict[str, Measure]:
    """Sigma."""
    return {"sigma": measures.sigma(measures.PointValues.of(values), self.points_per_slice)}

  def measure(self, values: Values) -> dict[str, Measure]:
    """See trainer.metric.measures.measure_all."""
    return measures.measure_all(measures.PointValues.of(values), self.points_per_slice)

  def inspect(self, look: Look) -> Findings:
    """See trainer.metric.inspection.inspect."""
    return inspection.inspect(
      self.variety, self.ansatz, self.volume, self.points_per_slice, look, self._symmetries
    )

  def extremes(self, values: Values, like: Values) -> dict[str, np.ndarray]:
    """The least eigenvalue of g relative to Fubini-Study, and |eta - 1|."""
    return {
      "min_relative_eigenvalue": values["relative_eigenvalue"],
      "max_abs_eta_minus_1": np.abs(self.picture(values, like) - 1),
    }

  def shrunk(self, share: float) -> Problem:
    """g = g_0 + share (g - g_0), g_0 the metric below the last correction, or Fubini-Study."""
    problem = copy.copy(self)
    problem.ansatz, problem.keep = ansatz.shrunk(self.variety, self.ansatz, share), None
    return problem

  def spectrum(self, params: Any) -> np.ndarray | None:
    """The eigenvalues of H."""
    if self.ansatz.spectrum is None:
      return None
    return np.asarray(self.ansatz.spectrum(params["network"]))

  def exact_measures(self) -> dict[str, float]:
    """The volume and Chern numbers; of Fermat hypersurfaces integral |Omega|^2 and kappa, too."""
    return measures.exact(self.variety) | curvature_measures.exact(self.variety)

  def picture(self, values: Values, like: Values | None = None) -> np.ndarray:
    """eta (B,), kappa from the points of `like`."""
    kappa = measures.kappa(measures.PointValues.of(like or values))
    return values["determinant"] / (kappa * values["omega"])


def metric_problem(config: ml_collections.ConfigDict, network: str, squares: bool) -> MetricProblem:
  """The problem of a config's phase.

  Args:
    config: its fields variety, data, loss, steps, start, continuation and symmetries are read.
    network: of the phase.
    squares: whether it is solved as the least-squares problem of eta - 1, whatever config.loss
      says.

  Raises:
    UserError: the polynomials, the network or a setting makes no sense.
  """
  loss, power = losses.make_loss(**config.loss)
  if config.steps == 0 and loss is not losses.monge_ampere:
    raise UserError(
      f"config.loss.name = {config.loss.name!r} is for first-order steps, and config.steps is 0: "
      "Gauss-Newton minimises the Monge-Ampere residual"
    )
  if squares:
    loss, power = losses.monge_ampere, 2
  _check("start", config.start, STARTS)
  concentration = config.data.concentration
  _check("data.concentration", concentration, CONCENTRATIONS)
  variety = make_variety(config)
  symmetries = make_symmetries(variety, **config.symmetries)
  problem = MetricProblem(variety, network, loss, power, config.start, concentration, symmetries)
  first = problem.ansatz
  while first.below is not None:
    first = first.below
  if (config.start == BALANCED or config.continuation) and not isinstance(first.form, FullForm):
    raise UserError(
      "config.start = 'balanced' and config.continuation are for algebraic networks, not for "
      f"{config.network}"
    )
  if config.start == BALANCED or config.continuation:
    degree = parse_network(split_terms(config.network)[0])[1]["degree"]
    kaehler_class.check_multiples(variety, (*config.continuation, degree))
  return problem


def _check(name, value, choices):
  if value not in choices:
    raise UserError(f"config.{name} = {value!r} is not supported: use one of {', '.join(choices)}")


def _values(metric: jax.Array, batch: Batch) -> dict[str, jax.Array]:
  return {
    "metric": metric.T,
    "determinant": hermitian.determinant(metric),
    "relative_eigenvalue": hermitian.least_eigenvalue(metric, batch.fubini_study.T),
    "omega": batch.omega,
  }
