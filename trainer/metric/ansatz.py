"""From network outputs to metric tensors: the phi ansatz g = g_FS + d dbar phi, phi a network or a sum of such."""

from collections.abc import Callable
import functools
import inspect
import math
from typing import Any, NamedTuple

import chex
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from networks import jets, registry
from networks.invariant import contracted_rows, invariant_rows, rho_rows
from networks.sections import section_rows
from networks.symmetry import Forms
from trainer.curvature.potential import fubini_study_rows, potential_rows
from trainer.errors import UserError
from trainer.geometry import hermitian
from trainer.geometry.sections import sections_of_class
from trainer.geometry.variety import Variety
from trainer.metric.network_text import parse_network, split_terms
from trainer.points.batch import Batch


class FullForm(NamedTuple):
  """An algebraic metric K = (1/(pi k)) log s* H s in which all of H is free.

  Attributes:
    rows: Batch -> (n + 1, B, 2 N_k) real, [Re | Im] of s, d_1 s, .., d_n s.
    degree: k.
  """

  rows: Callable[[Batch], jax.Array]
  degree: int


class InvariantForm(NamedTuple):
  """An algebraic metric K = (1/(pi k)) log rho, rho linear in a vector of parameters.

  Attributes:
    rows: Batch -> the rows of the jet of rho for each parameter, (B, R, P): the `features` of a batch.
    rho: (network parameters, Batch) -> the rows of the jet of rho, (R, B).
    contract: (Batch, cotangents (R, B) of the rows of rho) -> those of the parameters, (B, P), point by point.
    degree: k.
  """

  rows: Callable[[Batch], jax.Array]
  rho: Callable[[Any, Batch], jax.Array]
  contract: Callable[[Batch, jax.Array], jax.Array]
  degree: int

  def metric(self, rho: jax.Array) -> jax.Array:
    """g = d dbar log rho / (pi k), packed (n * n, B), of the rows (R, B) of rho."""
    return jets.log(jets.Jet(rho)).mixed / (math.pi * self.degree)


class Ansatz(NamedTuple):
  """A trainable metric.

  Attributes:
    init: key -> network parameters.
    metric: (parameters, Batch) -> g in local coordinates, packed (n * n, B) as in trainer.geometry.hermitian.
    path: how d dbar phi is computed, "jets" or "general".
    potential: (parameters, Batch) -> the (2, 2) jet (R, B) of the Kaehler potential, which
      trainer.curvature.tensors reads.
    sections: of a metric that is algebraic with all of H free, else None.
    invariant: of a metric that is algebraic with H invariant under a group, else None.
    fixed: (parameters, Batch) -> {"features", "base"}, fields of the batch that training leaves alone, or None.
    base: of a sum of networks, the metric of all but the last, with parameters["base"]; only
      parameters["correction"], of the last, are trained. Else None.
  """

  init: Callable[[jax.Array], Any]
  metric: Callable[[Any, Batch], jax.Array]
  path: str
  potential: Callable[[Any, Batch], jax.Array] | None = None
  sections: FullForm | None = None
  invariant: InvariantForm | None = None
  fixed: Callable[[Any, Batch], dict[str, jax.Array]] | None = None
  base: "Ansatz | None" = None

  def trained(self, params: Any) -> Any:
    """The part of a run's parameters {"network", "log_kappa"} that is trained."""
    return params if self.base is None else params | {"network": params["network"]["correction"]}

  def with_trained(self, params: Any, part: Any) -> Any:
    """The parameters with this part, as `trained` returns it, in place of theirs."""
    if self.base is None:
      return part
    return part | {"network": params["network"] | {"correction": part["network"]}}


def make_ansatz(variety: Variety, network: str) -> Ansatz:
  """Builds the phi ansatz on `variety` from a network.

  Args:
    variety: the manifold.
    network: a registered name, "module:Name" or "path/to/file.py:Name" (see networks.registry), with
      its keyword arguments, if any, in brackets: "phi_mlp(widths=(64, 64), activation='tanh')"; or a sum
      "algebraic(degree=5) + curvature_mlp()" of such, each of which corrects those before it.

  Returns:
    The ansatz. Networks that run on complex jets get the jet path, all others the general path.

  Raises:
    UserError: there is no such network, it refuses its arguments, or phi(x) is not a scalar.
  """
  *before, network = split_terms(network)
  if before:
    return _corrected(
      variety, make_ansatz(variety, " + ".join(before)), make_ansatz(variety, network)
    )
  name, network_kwargs = parse_network(network)
  try:
    factory = registry.resolve(name)
  except ValueError as error:
    raise UserError(str(error)) from None
  is_module = inspect.isclass(factory) and issubclass(factory, hk.Module)

  geometry = {"ambient": variety.ambient}
  if getattr(factory, "needs_sections", False):
    geometry |= {
      "moduli": variety.moduli,
      "sections": functools.partial(sections_of_class, variety),
    }
  if getattr(factory, "needs_monomials", False):
    geometry["monomials"] = [polynomial.exponents for polynomial in variety.polynomials]
  if getattr(factory, "needs_polynomials", False):
    geometry["moduli"] = variety.moduli
    geometry["polynomials"] = [
      (np.array(p.exponents), np.array(p.coefficients)) for p in variety.polynomials
    ]

  def apply_network(x, **features):
    if is_module:
      return factory(**geometry, **network_kwargs)(x, **features)
    return factory(x, **network_kwargs)

  transformed = hk.without_apply_rng(hk.transform(apply_network))
  path = "jets" if is_module and getattr(factory, "supports_jets", False) else "general"
  mixed = _mixed_by_jets if path == "jets" else _mixed_general
  point = jnp.concatenate([jnp.ones(variety.num_coordinates), jnp.zeros(variety.num_coordinates)])
  _check_network(transformed, point, network)

  def init(key):
    # Compiled, the values of the network at the point, which nobody reads, are not computed.
    return jax.jit(transformed.init)(key, point)

  def metric(params, batch):
    chex.assert_shape(batch.x, (None, 2 * variety.num_coordinates))
    return batch.fubini_study.T + mixed(
      functools.partial(transformed.apply, params), batch.x, batch.pullback
    )

  def potential(params, batch):
    return potential_rows(
      variety,
      functools.partial(transformed.apply, params),
      batch.x,
      batch.pullback,
      path if getattr(factory, "supports_jets22", True) else "general",
    )

  full = invariant = fixed = None
  if getattr(factory, "full_form", False):
    full = _full_form(variety, network_kwargs["degree"])
  if hasattr(factory, "invariant_forms"):
    invariant = _invariant_form(
      variety, network_kwargs["degree"], factory.invariant_forms(**geometry, **network_kwargs)
    )
    fixed = lambda params, batch: {"features": invariant.rows(batch)}
    with_features = lambda params, batch: invariant.metric(invariant.rho(params, batch))
  elif hasattr(factory, "features"):
    features = hk.without_apply_rng(
      hk.transform(lambda x: factory(**geometry, **network_kwargs).features(x))
    )

    def fixed(params, batch):
      jet = features.apply({}, jets.from_coordinates(batch.x, batch.pullback))
      return {"features": jnp.moveaxis(jet.rows, 0, 1)}

    def with_features(params, batch):
      jet = jets.Jet(jnp.moveaxis(batch.features, 1, 0))
      return batch.fubini_study.T + transformed.apply(params, batch.x, features=jet).mixed

  def metric_at(params, batch):
    return (metric if batch.features is None else with_features)(params, batch)

  return Ansatz(init, metric_at, path, potential, full, invariant, fixed)


def _corrected(variety: Variety, base: Ansatz, correction: Ansatz) -> Ansatz:
  """The metric of `base` with d dbar of one more network added to it."""

  def init(key):
    return {"base": base.init(key), "correction": correction.init(key)}

  def base_metric(params, batch):
    return base.metric(params["base"], batch._replace(features=None, base=None))

  def metric(params, batch):
    below = base_metric(params, batch) if batch.base is None else batch.base.T
    return below + (correction.metric(params["correction"], batch) - batch.fubini_study.T)

  def potential(params, batch):
    return (
      base.potential(params["base"], batch)
      + correction.potential(params["correction"], batch)
      - fubini_study_rows(variety, batch.x, batch.pullback)
    )

  def fixed(params, batch):
    fields = {"base": base_metric(params, batch).T}
    return fields | (correction.fixed(params["correction"], batch) if correction.fixed else {})

  return Ansatz(init, metric, correction.path, potential, fixed=fixed, base=base)


def _full_form(variety: Variety, degree: int) -> FullForm:
  exponents, coefficients = sections_of_class(variety, degree)

  def rows(batch):
    return section_rows(
      exponents, coefficients, variety.ambient, jets.from_coordinates(batch.x, batch.pullback)
    )

  return FullForm(rows, degree)


def _invariant_form(variety: Variety, degree: int, forms: Forms) -> InvariantForm:
  jet = lambda batch: jets.from_coordinates(batch.x, batch.pullback)

  def rows(batch):
    return jnp.moveaxis(invariant_rows(forms, variety.ambient, jet(batch)), 0, 1)

  def rho(params, batch):
    (h,) = jax.tree.leaves(params)
    if batch.features is None:
      return rho_rows(forms, h, variety.ambient, jet(batch)).rows
    return jnp.einsum("brp,p->rb", batch.features, h, precision="highest")

  def contract(batch, cotangent):
    if batch.features is None:
      return contracted_rows(forms, variety.ambient, jet(batch), cotangent)
    return jnp.einsum("brp,rb->bp", batch.features, cotangent, precision="highest")

  return InvariantForm(rows, rho, contract, degree)


def _check_network(transformed: hk.Transformed, point: jax.Array, name: str):
  """Traces the network once, so that a mistake in it shows before any work starts."""
  try:
    output, _ = jax.eval_shape(
      lambda key: (transformed.apply(transformed.init(key, point), point), 0), jax.random.key(0)
    )
  except (TypeError, ValueError) as error:
    raise UserError(f"network {name!r} cannot be built: {error}") from None
  if getattr(output, "shape", None) != () or jnp.iscomplexobj(output):
    raise UserError(f"network {name!r} must map one point x to a real scalar phi(x), got {output}")


def _mixed_by_jets(phi: Callable, x: jax.Array, pullback: jax.Array) -> jax.Array:
  """d_a dbar_b phi for a whole batch, packed (n * n, B), in one forward pass of complex jets."""
  return phi(jets.from_coordinates(x, pullback)).mixed


def _mixed_general(phi: Callable, x: jax.Array, pullback: jax.Array) -> jax.Array:
  """d_a dbar_b phi of any function of one point, packed (n * n, B).

  The real Hessian along the 2n real local directions u = (Re, Im) of the local coordinates:
  d_a dbar_b = (1/4) [H_xx + H_yy + i (H_xy - H_yx)]_ab.
  """

  def point(x, pullback):
    n = pullback.shape[0]
    directions = jnp.concatenate(
      [
        jnp.concatenate([pullback.real, pullback.imag], axis=1),
        jnp.concatenate([-pullback.imag, pullback.real], axis=1),
      ]
    )
    along = lambda u: phi(x + u @ directions)
    hessian = jax.jacfwd(jax.grad(along))(jnp.zeros(2 * n, x.dtype))
    h_xx, h_xy, h_yx, h_yy = (hessian[:n, :n], hessian[:n, n:], hessian[n:, :n], hessian[n:, n:])
    return hermitian.pack(jax.lax.complex(h_xx + h_yy, h_xy - h_yx) / 4)

  return jax.vmap(point, out_axes=1)(x, pullback)
