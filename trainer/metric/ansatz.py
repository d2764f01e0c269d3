"""From network outputs to metric tensors: g = g_FS + d dbar phi, or g_FS + a pulled back form.

phi may be a sum of networks, each of which corrects the metric of those before it.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import chex
import jax

from networks import jets, jets22
from trainer.curvature import wirtinger
from trainer.curvature.potential import fubini_study_rows, potential_rows
from trainer.geometry import hermitian
from trainer.geometry.variety import Variety
from trainer.metric.build import Built, build
from trainer.points.batch import Batch
from trainer.problem.network_text import split_terms


class Ansatz(NamedTuple):
  """A trainable metric.

  Attributes:
    init: key -> parameters.
    metric: (parameters, Batch) -> g in local coordinates, packed (n * n, B) as in
      trainer.geometry.hermitian.
    path: how it is computed: "jets", "general" or "form".
    potential: (parameters, Batch, complement) -> the (2, 2) jet (R, B) of the Kaehler potential,
      which trainer.curvature.tensors reads; complement as trainer.curvature.potential takes it,
      None where only tensors are read off. None if there is no potential.
    nested: whether `potential` takes nested differentiation, which costs milliseconds
      a point, and minutes to compile.
    phi: (parameters, x (2N,)) -> (), the potential less that of Fubini-Study at one point, which
      does not depend on its scaling; None if there is no potential.
    keep: (parameters, Batch) -> {name: (B, ..)}, what training leaves alone (Batch.fixed), or None.
    form: of a metric whose exp(pi k K) is linear in parameters, see trainer.metric.forms; or None.
    below: of a sum of networks, the metric of all but the last, with parameters["base"]; only
      parameters["correction"], of the last, are trained. Else None.
    spectrum: parameters -> the eigenvalues of the Hermitian form that makes the metric positive
      everywhere if they are; None if there is no such form.
    admit: parameters -> the nearest ones where it is positive, or None.
  """

  init: Callable[[jax.Array], Any]
  metric: Callable[[Any, Batch], jax.Array]
  path: str
  potential: Callable[[Any, Batch, jax.Array | None], jax.Array] | None = None
  nested: bool = False
  phi: Callable[[Any, jax.Array], jax.Array] | None = None
  keep: Callable[[Any, Batch], dict[str, jax.Array]] | None = None
  form: Any = None
  below: "Ansatz | None" = None
  spectrum: Callable[[Any], jax.Array] | None = None
  admit: Callable[[Any], Any] | None = None

  @property
  def jet22(self) -> bool:
    """Whether `potential` is made by rules of (2, 2) jets: quickly compiled, exact, cheap."""
    return self.potential is not None and not self.nested


def make_ansatz(variety: Variety, network: str) -> Ansatz:
  """Builds the ansatz on `variety` from a network.

  Args:
    variety: the manifold.
    network: see trainer.metric.build.build; or a sum "algebraic(degree=5) + curvature_mlp()" of
      such, each of which corrects those before it.

  Returns:
    The ansatz. Networks that run on complex jets get the jet path, all others the general path.

  Raises:
    UserError: a network cannot be built.
  """
  *before, last = split_terms(network)
  built = build(variety, last)
  top = _of_form(variety, built) if built.shape else _of_potential(variety, built)
  return _on_top(variety, make_ansatz(variety, " + ".join(before)), top) if before else top


def shrunk(variety: Variety, ansatz: Ansatz, share: float) -> Ansatz:
  """The metric of which `share` of the last correction is left: g_0 + share (g - g_0).

  Args:
    variety: the manifold.
    ansatz: g, with the same parameters; g_0 is its `below`, or Fubini-Study.
    share: from 0 to 1.
  """
  below = ansatz.below

  def metric(params, batch):
    whole = ansatz.metric(params, batch)
    start = below.metric(params["base"], batch) if below else batch.fubini_study.T
    return start + share * (whole - start)

  def potential(params, batch, complement=None):
    whole = ansatz.potential(params, batch, complement)
    if below:
      start = below.potential(params["base"], batch, complement)
    else:
      start = fubini_study_rows(variety, batch.x, batch.pullback, complement)
    return start + share * (whole - start)

  def phi(params, x):
    start = below.phi(params["base"], x) if below else 0.0
    return start + share * (ansatz.phi(params, x) - start)

  return ansatz._replace(
    metric=metric,
    potential=potential if ansatz.potential else None,
    phi=phi if ansatz.phi else None,
    keep=None,
    form=None,
    spectrum=None,
    admit=None,
  )


def _of_potential(variety: Variety, built: Built) -> Ansatz:
  """g_FS + d dbar phi: by one forward pass of jets, or by nested differentiation."""
  by_jets = jets.Jet in built.jet_types
  coordinates = lambda batch: jets.from_coordinates(batch.x, batch.pullback)

  def metric(params, batch):
    chex.assert_shape(batch.x, (None, 2 * variety.num_coordinates))
    if by_jets:
      kept = (batch.fixed,) if built.keep and batch.fixed else ()
      mixed = built.apply(params, coordinates(batch), *kept).mixed
    else:
      phi = functools.partial(built.apply, params)
      mixed = wirtinger.levi_forms(phi, batch.x, batch.pullback)
    return batch.fubini_study.T + mixed

  nested = jets22.Jet22 not in built.jet_types

  def potential(params, batch, complement=None):
    path = "general" if nested else "jets"
    phi = functools.partial(built.apply, params)
    return potential_rows(variety, phi, batch.x, batch.pullback, path, complement)

  keep = (lambda params, batch: built.keep(coordinates(batch))) if built.keep else None
  path = "jets" if by_jets else "general"
  return Ansatz(
    built.init,
    metric,
    path,
    potential,
    nested,
    built.apply,
    keep,
    built.form,
    spectrum=built.spectrum,
    admit=built.admit,
  )


def _of_form(variety: Variety, built: Built) -> Ansatz:
  """g_ab = g_FS + J_ai h_ij conj(J_bj), h the Hermitian part of the network's (N, N) matrix.

  The form has to be C*-covariant, h(lambda z) = h(z) / |lambda|^2, to be one on the manifold. Such
  a metric is Kaehler only by training: it has no potential.
  """

  def metric(params, batch):
    chex.assert_shape(batch.x, (None, 2 * variety.num_coordinates))

    def point(x, pullback):
      h = built.apply(params, x)
      pulled = pullback @ (0.5 * (h + h.conj().T)).astype(pullback.dtype) @ pullback.conj().T
      return hermitian.pack(pulled)

    return batch.fubini_study.T + jax.vmap(point, out_axes=1)(batch.x, batch.pullback)

  return Ansatz(built.init, metric, "form")


def _on_top(variety: Variety, below: Ansatz, correction: Ansatz) -> Ansatz:
  """The metric of `below` with what one more network adds to Fubini-Study added to it."""

  def init(key):
    return {"base": below.init(key), "correction": correction.init(key)}

  def base_metric(params, batch):
    return below.metric(params["base"], batch._replace(fixed={}))

  def metric(params, batch):
    fixed = dict(batch.fixed)
    base = fixed.pop("base").T if fixed else base_metric(params, batch)
    corrected = correction.metric(params["correction"], batch._replace(fixed=fixed))
    return base + (corrected - batch.fubini_study.T)

  def potential(params, batch, complement=None):
    return (
      below.potential(params["base"], batch, complement)
      + correction.potential(params["correction"], batch, complement)
      - fubini_study_rows(variety, batch.x, batch.pullback, complement)
    )

  def phi(params, x):
    return below.phi(params["base"], x) + correction.phi(params["correction"], x)

  def keep(params, batch):
    fields = {"base": base_metric(params, batch).T}
    return fields | (correction.keep(params["correction"], batch) if correction.keep else {})

  has_potential = below.potential and correction.potential
  return Ansatz(
    init,
    metric,
    correction.path,
    potential if has_potential else None,
    below.nested or correction.nested,
    phi if has_potential else None,
    keep,
    below=below,
  )
