"""A harmonic (1, 1) form by a network, where a basis of functions ends: a problem for the loops.

u_i of trainer.harmonic.kaehler is the output of a Haiku network, as the phi of a metric is. The
residual Box u_i - rhs_i, linear in u_i, is that of trainer.harmonic.solve; the loops, steps and
solvers of metrics train it:

  config.problem = "harmonic_11(metric='runs/bicubic', form=0)"
"""

from __future__ import annotations

import math
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from trainer.curvature import contractions
from trainer.errors import UserError
from trainer.geometry import hermitian
from trainer.harmonic import kaehler
from trainer.metric import ansatz
from trainer.metric.problem import MetricProblem
from trainer.points.batch import Batch
from trainer.problem.linearise import Residual
from trainer.problem.network_text import split_terms
from trainer.problem.problem import Problem, Values
from trainer.quadrature import of_run
from trainer.quadrature.background import Rows
from trainer.sampling.statistics import Measure, weighted_mean


class HarmonicProblem(Problem):
  """The function u_i for which alpha_i = dg/dt_i is harmonic in a given metric."""

  merit = "residual"

  def __init__(self, metric: MetricProblem, params: Any, network: str, form: int):
    """Builds it.

    Args:
      metric: the problem of the metric.
      params: of its network.
      network: of u_i, see trainer.metric.ansatz.make_ansatz; anything that a metric may have.
      form: i.

    Raises:
      UserError: the network cannot be built, or there is no such form.
    """
    self.variety, self.points_per_slice = metric.variety, metric.points_per_slice
    self.source, self.abstract_points = metric.source, metric.abstract_points
    if len(split_terms(network)) > 1:
      raise UserError(f"config.network = {network}: a harmonic form takes one network, no sum")
    if not 0 <= form < len(self.variety.ambient):
      raise UserError(f"form={form} must be one of the {len(self.variety.ambient)} Kaehler moduli")
    self._metric, self._params, self._form, self._network = metric.ansatz, params, form, network
    self._field = ansatz.make_ansatz(self.variety, network)
    self._class = kaehler.exact(self.variety)
    self._volume = metric.volume

  def describe(self) -> str:
    """The form and its network."""
    return f"harmonic form dg/dt_{self._form} by {self._network}"

  def init(self, key: jax.Array, mean_weight: float) -> Any:
    """The network's own."""
    del mean_weight
    return {"network": self._field.init(key)}

  def keep(self, params: Any, batch: Batch) -> dict[str, jax.Array]:
    """The metric at points, its inverse, and alpha_i for u_i = 0."""
    del params
    at = jax.tree.map(lambda a: jnp.asarray(a, batch.x.dtype), self._params)
    g = hermitian.unpack(self._metric.metric(at, batch._replace(fixed={})))
    rows = Rows(batch.x, batch.pullback, g, batch.weight, batch.omega)
    start = kaehler.start(self._class, self.variety.dimension, rows, self.variety.ambient)
    return {"metric": g, "inverse": contractions.inverse(g), "start": start[:, self._form]}

  def residual(self, params: Any, batch: Batch) -> Residual:
    """Box u_i - (c_i - tr alpha_i) with alpha_i of u_i = 0."""
    fixed = batch.fixed or self.keep(params, batch)
    trace = lambda form: jnp.sum(fixed["inverse"] * form, axis=(1, 2)).real
    target = self._class.traces[self._form] - trace(fixed["start"])
    everywhere = jnp.ones(batch.weight.shape, bool)
    return Residual(trace(self._hessian(params, batch)), target, everywhere, {})

  def values(self, params: Any, batch: Batch) -> dict[str, jax.Array]:
    """tr alpha_i, <alpha_i, alpha_i>, and det g / |Omega|^2, which turns the weights into dvol."""
    fixed = batch.fixed or self.keep(params, batch)
    alpha = (fixed["start"] + self._hessian(params, batch))[:, None]
    return {
      "trace": kaehler.traces(alpha, fixed["metric"])[:, 0],
      "product": kaehler.inner_products(alpha, fixed["metric"])[:, 0, 0],
      "density": jnp.linalg.det(fixed["metric"]).real / batch.omega,
    }

  def validate(self, values: Values) -> dict[str, Measure]:
    """Rms (tr alpha_i - c_i) / c_i."""
    constant = float(self._class.traces[self._form])
    square = self._mean(values, (values["trace"] / constant - 1) ** 2)
    rms = math.sqrt(square.value)
    return {"residual": Measure(rms, square.stderr / (2 * rms) if rms else 0.0)}

  def measure(self, values: Values) -> dict[str, Measure]:
    """The residual; <tr alpha_i>; E_ii of the form, and without what is left of d dbar u."""
    excess = (values["trace"] - self._class.traces[self._form]) ** 2
    whole = {"product": values["product"], "harmonic_product": values["product"] - excess}
    scaled = lambda m: Measure(self._volume * m.value, self._volume * m.stderr)
    return (
      self.validate(values)
      | {"trace": self._mean(values, values["trace"])}
      | {name: scaled(self._mean(values, value)) for name, value in whole.items()}
    )

  def exact_measures(self) -> dict[str, float]:
    """c_i and E_ii, from intersection numbers."""
    i = self._form
    exact = {"trace": self._class.traces[i], "harmonic_product": self._class.products[i, i]}
    return {name: float(value) for name, value in exact.items()}

  def _hessian(self, params, batch):
    """d dbar u_i, (B, n, n)."""
    fixed = self._field.keep(params["network"], batch) if self._field.keep else {}
    metric = self._field.metric(params["network"], batch._replace(fixed=fixed))
    return hermitian.unpack(metric - batch.fubini_study.T)

  def _mean(self, values, f):
    return weighted_mean(values["weight"] * values["density"], f, self.points_per_slice)


def harmonic_problem(
  config: ml_collections.ConfigDict, network: str, squares: bool, metric: str = "", form: int = 0
) -> HarmonicProblem:
  """The problem of a config's phase.

  Args:
    config: not read.
    network: of the phase.
    squares: not read: first-order steps lower the same squares.
    metric: the directory of a trained run; an absolute path serves everywhere.
    form: i.

  Raises:
    UserError: there is no trained metric, no such form, or the network cannot be built.
  """
  del config, squares
  if not metric:
    raise UserError("config.problem = 'harmonic_11' needs metric='DIRECTORY' of a trained run")
  run, params = of_run.load(pathlib.Path(metric).expanduser())
  return HarmonicProblem(run.problem, params, network, form)
