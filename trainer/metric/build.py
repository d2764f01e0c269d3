"""From the text of a network to a function of points: what it is given, and what it offers."""

from collections.abc import Callable
import functools
import inspect
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from networks import jets, registry, user_code
from networks.network import Network, offers
from trainer.errors import UserError
from trainer.geometry.sections import sections_of_class, terms_of_class
from trainer.geometry.variety import Variety
from trainer.problem.network_text import parse_network


class Built(NamedTuple):
  """A network.

  Attributes:
    init: key -> parameters.
    apply: (parameters, x) or (parameters, x, kept) -> its output; x one point (2N,), or a jet
      (B, 2N) of one of `jet_types`.
    shape: of its output at one point: () for a potential, (N, N) for a Hermitian form.
    jet_types: see networks.network.Network.
    keep: jet -> kept, or None.
    form: see networks.network.Network, or None.
    spectrum: parameters -> eigenvalues, see networks.network.Network, or None.
    admit: parameters -> parameters, the same.
  """

  init: Callable[[jax.Array], Any]
  apply: Callable[..., Any]
  shape: tuple[int, ...]
  jet_types: tuple[type[jets.Jet], ...]
  keep: Callable[[jets.Jet], dict[str, jax.Array]] | None
  form: Any
  spectrum: Callable[[Any], jax.Array] | None
  admit: Callable[[Any], Any] | None


def build(variety: Variety, text: str) -> Built:
  """Builds one network.

  Args:
    variety: the manifold, whose geometry the network is given where it names it.
    text: a registered name, "module:Name" or "path/to/file.py:Name" (see networks.registry), with
      its keyword arguments, if any, in brackets: "phi_mlp(widths=(64, 64), activation='tanh')".

  Raises:
    UserError: there is no such network, it refuses its arguments, or it returns something else than
      a real scalar or a complex (N, N) matrix.
  """
  name, kwargs = parse_network(text)
  try:
    factory = registry.resolve(name)
  except ValueError as error:
    raise UserError(str(error)) from None
  is_module = inspect.isclass(factory) and issubclass(factory, hk.Module)
  kwargs = _named(factory.__init__ if is_module else factory, _geometry(variety)) | kwargs
  make = lambda: factory(**kwargs)
  call = (lambda x, *kept: make()(x, *kept)) if is_module else (lambda x: factory(x, **kwargs))
  network = hk.without_apply_rng(hk.transform(call))
  size = variety.num_coordinates
  point = jnp.concatenate([jnp.ones(size), jnp.zeros(size)])
  try:
    offered = _offers(make) if is_module else _Offered()
    output, _ = jax.eval_shape(
      lambda key: (network.apply(network.init(key, point), point), 0), jax.random.key(0)
    )
  except Exception as error:
    if user_code.place_of(error):
      raise UserError(f"network {text!r} fails: {user_code.describe(error)}") from None
    if not isinstance(error, (TypeError, ValueError)):
      raise
    raise UserError(f"network {text!r} cannot be built: {error}") from None
  is_complex = jnp.iscomplexobj(output)
  if (getattr(output, "shape", None), is_complex) not in (((), False), ((size, size), True)):
    raise UserError(
      f"network {text!r} must map one point x to a real scalar phi(x) or a complex Hermitian "
      f"({size}, {size}) matrix, got {output}"
    )

  def method(name):
    """A method of the network, which has no parameters of its own there; None if not offered."""
    if name not in offered.methods:
      return None
    of_network = hk.transform(lambda argument: getattr(make(), name)(argument))
    return functools.partial(hk.without_apply_rng(of_network).apply, {})

  return Built(
    # Compiled, the values of the network at the point, which nobody reads, are not computed.
    init=lambda key: jax.jit(network.init)(key, point),
    apply=network.apply,
    shape=output.shape,
    jet_types=offered.jet_types,
    keep=method("keep"),
    form=offered.form,
    spectrum=method("spectrum"),
    admit=method("admit"),
  )


def _geometry(variety: Variety) -> dict[str, Any]:
  """What networks may name, see networks.network."""
  return {
    "ambient": variety.ambient,
    "moduli": variety.moduli,
    "polynomials": [(np.array(p.exponents), np.array(p.coefficients)) for p in variety.polynomials],
    "monomials": [p.exponents for p in variety.polynomials],
    "sections": functools.partial(sections_of_class, variety),
    "terms": functools.partial(terms_of_class, variety),
  }


def _named(function: Callable, geometry: dict[str, Any]) -> dict[str, Any]:
  """The part of the geometry that a function has parameters for."""
  try:
    parameters = inspect.signature(function).parameters
  except ValueError:  # A function without signature, such as a NumPy ufunc, names nothing.
    return {}
  return {name: value for name, value in geometry.items() if name in parameters}


class _Offered(NamedTuple):
  """What a network offers: jet types, its form, and which of the methods on arrays."""

  jet_types: tuple[type[jets.Jet], ...] = ()
  form: Any = None
  methods: tuple[str, ...] = ()


def _offers(make: Callable[[], hk.Module]) -> _Offered:
  found = []

  def ask():
    network = make()
    if isinstance(network, Network):
      form = network.form() if offers(network, "form") else None
      methods = tuple(n for n in ("keep", "spectrum", "admit") if offers(network, n))
      found.append(_Offered(network.jet_types(), form, methods))
    else:
      found.append(_Offered())

  hk.transform(ask).init(None)
  return found[0]
