"""A problem: all that loops, steps, solvers, checkpoints and certificates know of what is learned.

Shape letters: B points, P unknowns. Points are a pytree of arrays (B, ...) with a field `weight`
(B,) and a dictionary `fixed` of such arrays; trainer.points.batch.Batch is one, a problem may bring
its own. Every function of points works on any number of them, a point's result does not depend on
the others, and nothing here communicates.
"""

from __future__ import annotations

from collections.abc import Callable
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.variety import Variety
from trainer.points.dataset import Source
from trainer.problem import linearise
from trainer.problem.linearise import Linearisation, Residual
from trainer.sampling.statistics import Measure

# name -> (B, ...) numbers at points in double precision, among them "weight"
Values = dict[str, np.ndarray]


class Findings(NamedTuple):
  """What a closer look adds to a certificate.

  Attributes:
    measures: name -> measure.
    references: name of a reference -> the same measures of it.
    sections: name -> JSON-like, see trainer.certificate.certificate.
    fields: name -> a positive field that a report shows on a slice of the variety,
      z (B, N) complex -> (B,).
  """

  measures: dict[str, Measure]
  references: dict[str, dict[str, Measure]] = {}
  sections: dict[str, Any] = {}
  fields: dict[str, Callable[[np.ndarray], np.ndarray]] = {}


class Look(NamedTuple):
  """What a certificate offers for a look at a field that is closer than `Problem.measure`.

  Attributes:
    num_points: of the certificate.
    values: function (params, batch) -> nested dictionaries of numbers (B, ...) -> what it gives at
      the held-out points, and their "weight", in double precision.
    points: count -> the first held-out points (count, N) complex, of problems on varieties, and
      their weights (count,).
    anywhere: (z (B, N), charts) -> `Problem.values` at any points of a variety, by the program that
      the certificate has compiled already; charts as trainer.points.batch.prepare takes them.
    function_anywhere: function as above -> z (B, N) -> what it gives at any points of a variety.
  """

  num_points: int
  values: Callable[[Callable], dict[str, Any]]
  points: Callable[[int], tuple[np.ndarray, np.ndarray]]
  anywhere: Callable[[np.ndarray, Any], Values]
  function_anywhere: Callable[[Callable], Callable[[np.ndarray], dict[str, Any]]]


class Problem:
  """The contract; methods that raise NotImplementedError have to be written, others may be.

  Attributes:
    merit: the name of the measure that training is to lower, the first of `validate`.
    power: p of first-order steps: they lower the weighted mean of sum |row|^p, p = 1 or 2;
      Gauss-Newton lowers squares.
    points_per_slice: consecutive points that are one statistical unit.
    variety: the manifold of the points, or None.
    keep: (params, batch) -> {name: (B, ...)}, what training needs of a point and does not change,
      a method; None if there is nothing.
    reference: the name of what training is compared with and `reference_values` measures, or None.
    sensible: the name among `extremes` of what is positive where the field makes sense, and what
      that is called; None if it makes sense anyhow.
  """

  merit: str
  power: int = 2
  points_per_slice: int = 1
  variety: Variety | None = None
  keep: Callable[[Any, Any], dict[str, jax.Array]] | None = None
  reference: str | None = None
  sensible: tuple[str, str] | None = None

  # --- In words.

  def describe(self) -> str:
    """What is learned, on one line, for a person who watches the run start."""
    raise NotImplementedError

  def check(self, thorough: bool) -> None:
    """Raises UserError if there is nothing to learn here; `thorough` may take seconds."""

  # --- Parameters, a pytree of real arrays.

  def init(self, key: jax.Array, mean_weight: float) -> Any:
    """The parameters to start from; `mean_weight` is the mean weight of some points."""
    raise NotImplementedError

  def start(self, params: Any, points: Callable[[], Any], mesh: jax.sharding.Mesh) -> Any:
    """Better parameters to start a run from than those of `init`.

    Args:
      params: those of `init`, on the host.
      points: loads training points, sharded over the mesh.
      mesh: the devices.
    """
    del points, mesh
    return params

  def inherit(self, before: Problem, params: Any, initial: Any) -> Any:
    """The parameters to start from, made of those that the phase before ended with.

    Args:
      before: the problem of the phase before.
      params: its parameters, on the host.
      initial: those of this problem's `init`, on the host.
    """
    del before, initial
    return params

  def num_parameters(self, params: Any) -> int:
    """How many there are, of the field alone."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))

  def trained(self, params: Any) -> Any:
    """The part of the parameters that is trained."""
    return params

  def with_trained(self, params: Any, part: Any) -> Any:
    """The parameters with this part, as `trained` returns it, in place of theirs."""
    del params
    return part

  def admit(self, params: Any) -> Any:
    """The nearest parameters for which the field makes sense everywhere: every step ends there."""
    return params

  # --- Points.

  def source(
    self,
    split: str,
    seed: int,
    directory: pathlib.Path | None,
    mesh: jax.sharding.Mesh,
    dtype: jnp.dtype,
    progress: Callable[[int, int], None] | None = None,
  ) -> Source:
    """The stream of points called `split`; see trainer.points.dataset.of_variety."""
    raise NotImplementedError

  def abstract_points(self, num_points: int, dtype: jnp.dtype) -> Any:
    """The shapes and dtypes of `num_points` points."""
    raise NotImplementedError

  # --- What is to vanish.

  def residual(self, params: Any, batch: Any) -> Residual:
    """The residual at points."""
    raise NotImplementedError

  def linearise(self) -> Linearisation:
    """The derivative of the residual for Gauss-Newton, where a problem knows better than this."""
    return linearise.by_autodiff(self)

  # --- What is measured, on validation and held-out points.

  def values(self, params: Any, batch: Any) -> dict[str, jax.Array]:
    """Numbers (B, ...) at points for measures; the points' weight is added to them."""
    raise NotImplementedError

  def validate(self, values: Values) -> dict[str, Measure]:
    """The measures that training is judged by, the first above all; `merit` is its name."""
    raise NotImplementedError

  def measure(self, values: Values) -> dict[str, Measure]:
    """All measures, for a certificate."""
    return self.validate(values)

  def inspect(self, look: Look) -> Findings:
    """What a certificate says besides `measure`."""
    del look
    return Findings({})

  def extremes(self, values: Values, like: Values) -> dict[str, np.ndarray]:
    """Numbers at points whose extremes on the variety are searched for.

    Args:
      values: at the points.
      like: at sampled points, from which means are taken.

    Returns:
      "min_NAME" or "max_NAME", after what is looked for, -> (B,).
    """
    del values, like
    return {}

  def shrunk(self, share: float) -> Problem:
    """The problem whose field is what training started from and `share` of what was added to it."""
    raise NotImplementedError

  def spectrum(self, params: Any) -> np.ndarray | None:
    """Numbers (N,) that make the field sensible everywhere if they are positive, or None."""
    del params
    return None

  def exact_measures(self) -> dict[str, float]:
    """The measures whose exact value is known."""
    return {}

  def reference_values(self, params: Any, batch: Any) -> dict[str, jax.Array]:
    """`values` of what training is compared with, `reference`."""
    raise NotImplementedError

  def picture(self, values: Values, like: Values | None = None) -> np.ndarray:
    """(B,) numbers, 1 where all is well, that a report shows; normalised as those of `like`."""
    raise NotImplementedError
