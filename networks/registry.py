"""Names for networks, and networks of the user's own from anywhere.

  resolve("phi_mlp")                        a registered network
  resolve("my_module:MyAnsatz")             from an importable module
  resolve("path/to/file.py:MyAnsatz")       from a file

A network is an hk.Module class constructed as cls(ambient=(n_1, ..), **kwargs) and called on one point, or a
plain Haiku function fn(x, **kwargs) of one point. Either way it maps x (2N,) real to a real scalar.
"""

from __future__ import annotations

from collections.abc import Callable
import importlib
import importlib.util
import pathlib
import sys

_NETWORKS: dict[str, Callable] = {}


def register(name: str) -> Callable[[Callable], Callable]:
  """Decorator that makes a network available as `name`."""

  def decorate(network: Callable) -> Callable:
    if name in _NETWORKS:
      raise ValueError(f"a network named {name!r} is registered already")
    _NETWORKS[name] = network
    return network

  return decorate


def resolve(name: str) -> Callable:
  """The network called `name`.

  Args:
    name: a registered name, "module:attribute" or "path/to/file.py:attribute".

  Returns:
    The class or function.

  Raises:
    ValueError: there is no such network, module, file or attribute.
  """
  if ":" not in name:
    if name not in _NETWORKS:
      raise ValueError(
        f"unknown network {name!r}: choose one of {', '.join(sorted(_NETWORKS))}, "
        "or give module:Name or path/to/file.py:Name"
      )
    return _NETWORKS[name]
  source, _, attribute = name.rpartition(":")
  module = _load_file(source) if source.endswith(".py") else _import(source)
  network = getattr(module, attribute, None)
  if not callable(network):
    raise ValueError(f"network {name!r}: {source} has no class or function {attribute!r}")
  return network


def _import(module: str):
  try:
    return importlib.import_module(module)
  except ImportError as error:
    raise ValueError(f"network module {module!r} cannot be imported: {error}") from None


def _load_file(source: str):
  path = pathlib.Path(source).expanduser().resolve()
  if not path.is_file():
    raise ValueError(f"network file {source!r} does not exist")
  module_name = f"ricciflat_user_network_{path.stem}_{abs(hash(str(path)))}"
  if module_name in sys.modules:
    return sys.modules[module_name]
  spec = importlib.util.spec_from_file_location(module_name, path)
  module = importlib.util.module_from_spec(spec)
  # Registered before it runs, as `import` does: dataclasses and pickling look the module up.
  sys.modules[module_name] = module
  try:
    spec.loader.exec_module(module)
  except Exception as error:
    del sys.modules[module_name]
    raise ValueError(f"network file {source!r} fails: {type(error).__name__}: {error}") from None
  return module
