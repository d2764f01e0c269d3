"""A trained run from Python: its metric, potential, points, charts and certificate."""

from collections.abc import Sequence
import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from trainer.certificate.certificate import read_certificate
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import patches
from trainer.geometry.variety import Variety
from trainer.harmonic import solve, tangent
from trainer.loop.state import load_state
from trainer.run import run as runs
from trainer.use import points, spectrum
from trainer.use.chart import Chart, make_chart
from trainer.use.curvature import Curvature, curvature
from trainer.use.fields import Fields
from trainer.use.harmonic import Form
from trainer.use.metric import Metric

# Of a modulus: over such a way parameters that move by their derivative are judged.
_WAY = 0.1


class RunPoints(NamedTuple):
  """Points of a run's manifold, B of them, numpy arrays in double precision.

  Attributes:
    z: (B, N) complex homogeneous coordinates, the largest of each factor 1.
    weight: (B,) |Omega|^2 over the sampling density: means with these weights are means over the
      manifold in |Omega|^2.
    omega_squared: (B,) |Omega|^2 in each point's chart.
    pullback: (B, n, N) complex, J[a, i] = dz^i/dx^a.
    local: (B, n) whole numbers, which coordinates are local in each point's chart.
  """

  z: np.ndarray
  weight: np.ndarray
  omega_squared: np.ndarray
  pullback: np.ndarray
  local: np.ndarray


@dataclasses.dataclass(frozen=True)
class TrainedMetric:
  """A network's metric.

  Attributes:
    fields: its functions, of parameters.
    params: the parameters, numpy arrays.
  """

  fields: Fields
  params: Any

  @property
  def variety(self) -> Variety:
    """The manifold, with the Kaehler moduli of the metric."""
    return self.fields.variety

  @property
  def metric(self) -> jax.tree_util.Partial:
    """See load_metric."""
    return jax.tree_util.Partial(Metric(self.fields), self.params)

  def chart(self, z: jax.Array) -> Chart:
    """The best conditioned local coordinates at a point z (N,) complex or x (2N,) real."""
    return make_chart(self.fields, self.params, points.as_complex(self.variety, z))

  def curvature(self, z: jax.Array) -> Curvature:
    """The curvature at points z (..., N) complex or x (..., 2N) real, each in its own chart."""
    z = points.as_complex(self.variety, z)
    return curvature(self.fields, self.params, z)


@dataclasses.dataclass(frozen=True)
class TrainedRun(TrainedMetric):
  """What a run leaves to use.

  Attributes:
    workdir: its directory.
  """

  workdir: pathlib.Path

  @property
  def certificate(self) -> dict[str, Any]:
    """The run's certificate; UserError if it has none yet."""
    return read_certificate(self.workdir)

  def harmonic_11(self, i: int) -> Form:
    """The harmonic (1, 1) form dg/dt_i, i = 0, .., m - 1, of `ricciflat-evaluate --harmonic`.

    Called with points it gives (..., n, n) complex as `metric` does; `.in_chart(chart)` is a
    function of local coordinates.
    """
    weights = np.zeros(len(self.variety.ambient))
    weights[i] = 1
    return self._form(weights)

  def bundle(self, k: Sequence[int]) -> Form:
    """The curvature F_{a bbar} of the Hermitian Yang-Mills metric on O(k_1, .., k_m).

    Of `ricciflat-evaluate --harmonic` or --bundle, any; see harmonic_11.
    """
    if len(k) != len(self.variety.ambient):
      raise UserError(f"{tuple(k)} must be one whole number for each projective space")
    return self._form(np.pi * np.array(k, float))

  def nearby(self, moduli: Sequence[float]) -> Form:
    """The metric at Kaehler moduli t' near t, to first order: sum_i t'_i alpha_i.

    Of the class t' exactly, and Ricci-flat up to the square of t' - t; see harmonic_11.
    """
    if len(moduli) != len(self.variety.ambient):
      raise UserError(f"{tuple(moduli)} must be one number for each projective space")
    return self._form(np.array(moduli, float))

  def params_derivative(self, i: int) -> Any:
    """d params / d t_i along which training would move, i = 0, .., m - 1, a pytree like `params`.

    Samples some thousand points and solves one Gauss-Newton step; UserError where the network's
    parameters mean something else at other Kaehler moduli. See trainer.harmonic.tangent.
    """
    way = np.zeros(len(self.variety.ambient))
    way[i] = _WAY * self.variety.moduli[i]
    change = tangent.of_run(self.workdir, way).params["network"]
    return jax.tree.map(lambda a: a / way[i], change)

  def continued(self, moduli: Sequence[float]) -> TrainedMetric:
    """The network's metric at Kaehler moduli t' near t, of parameters params + (t' - t) dparams/dt.

    Of the class t' exactly, Kaehler, with potential and charts; it costs what params_derivative
    does. Ricci-flat up to the square of t' - t and what the network cannot follow.
    """
    there = tangent.at_run(self.workdir, moduli)
    change = np.array(moduli, float) - np.array(self.variety.moduli)
    params = self.params
    if np.any(change):
      slope = tangent.of_run(self.workdir, change).params["network"]
      params = jax.tree.map(lambda a, b: (a + b).astype(a.dtype), params, slope)
    if there.ansatz.admit is not None:
      params = jax.tree.map(np.asarray, there.ansatz.admit(params))
    return TrainedMetric(dataclasses.replace(self.fields, variety=there.variety), params)

  def _form(self, weights):
    forms = solve.load(self.workdir, self.params)
    if forms is None:
      raise UserError(
        f"{self.workdir} holds no harmonic forms of its metric: "
        f"ricciflat-evaluate --workdir={self.workdir} --harmonic makes them"
      )
    return Form(self.fields, self.params, forms.degree, forms.h, weights)

  @property
  def spectrum(self) -> spectrum.Eigenfunctions:
    """The levels of `ricciflat-evaluate --spectrum`: run.spectrum(z) are eigenfunctions."""
    return spectrum.load(self.workdir, self.variety, self.params)

  def points(self, n: int, seed: int = 0) -> RunPoints:
    """n points of the manifold, a stream of their own for every seed; consecutive ones depend."""
    run = runs.load_run(self.workdir)
    mesh = parallel.make_mesh(jax.local_devices()[:1])
    with jax.enable_x64(True):
      source = run.problem.source("heldout", seed, None, mesh, np.dtype(np.float64))
      batch = source.rows(0, n, None)
    size = self.variety.num_coordinates
    z = batch.x[:, :size] + 1j * batch.x[:, size:]
    local = np.argmax(np.asarray(_kept(self.variety, z)), axis=2)
    return RunPoints(z, batch.weight, batch.omega, batch.pullback, local)


def load_run(workdir: str | pathlib.Path) -> TrainedRun:
  """Loads a trained run.

  Args:
    workdir: the directory of a run.

  Raises:
    UserError: there is no trained metric of this program.
  """
  workdir = pathlib.Path(workdir).expanduser().absolute()
  run = runs.load_run(workdir)
  if not hasattr(run.problem, "ansatz"):
    raise UserError(f"{workdir} holds no metric: it learned {run.problem.describe()}")
  with jax.enable_x64(True):  # The optimiser's state is in double precision.
    params = load_state(run, workdir).params["network"]
  params = jax.tree.map(np.asarray, params)
  fields = Fields(run.problem.variety, run.network, run.share)
  return TrainedRun(fields, params, workdir)


def load_metric(workdir: str | pathlib.Path) -> jax.tree_util.Partial:
  """Loads a trained metric as an ordinary JAX function.

  Args:
    workdir: the directory of a run.

  Returns:
    metric(x) -> (..., n, n) complex, g_{a bbar} at points x = [Re z, Im z] (..., 2N) or z (..., N)
    complex, in the local coordinates of each point (trainer.geometry.patches.choose_chart), in the
    precision of x. It is a pytree: pass it through jit, vmap, grad, jvp, jacfwd to any order, or
    pickle it. Derivatives along x leave the manifold: see load_run(workdir).chart.

  Raises:
    UserError: there is no trained metric of this program.
  """
  return load_run(workdir).metric


@functools.partial(jax.jit, static_argnums=0)
def _kept(variety, z):
  return jax.vmap(lambda z: patches.choose_chart(variety, z).kept)(z)
