"""Things a config names: registered ones, and a user's own from anywhere.

NETWORKS.resolve("phi_mlp")                      registered
NETWORKS.resolve("my_module:MyAnsatz")           from an importable module
NETWORKS.resolve("path/to/file.py:MyAnsatz")     from a file
"""

from __future__ import annotations

from collections.abc import Callable
import importlib
import importlib.util
import pathlib
import sys
import zlib

from networks import user_code


class Registry:
  """Classes or functions of one kind by name."""

  def __init__(self, kind: str, homes: dict[str, str] | None = None):
    """Creates it.

    Args:
      kind: what they are, in messages: "network".
      homes: name -> "module:attribute" of those that are imported when they are asked for.
    """
    self._kind = kind
    self._entries: dict[str, Callable | str] = dict(homes or {})

  def register(self, name: str) -> Callable[[Callable], Callable]:
    """Decorator that makes a class or function available as `name`."""

    def decorate(entry: Callable) -> Callable:
      if name in self._entries:
        raise ValueError(f"a {self._kind} named {name!r} is registered already")
      self._entries[name] = entry
      return entry

    return decorate

  def resolve(self, name: str) -> Callable:
    """The class or function called `name`.

    Args:
      name: a registered name, "module:attribute" or "path/to/file.py:attribute".

    Raises:
      ValueError: there is no such name, module, file or attribute.
    """
    if ":" not in name:
      if name not in self._entries:
        raise ValueError(
          f"unknown {self._kind} {name!r}: choose one of {', '.join(sorted(self._entries))}, "
          "or give module:Name or path/to/file.py:Name"
        )
      entry = self._entries[name]
      return self.resolve(entry) if isinstance(entry, str) else entry
    source, _, attribute = name.rpartition(":")
    module = self._load_file(source) if source.endswith(".py") else self._import(source)
    entry = getattr(module, attribute, None)
    if not callable(entry):
      raise ValueError(f"{self._kind} {name!r}: {source} has no class or function {attribute!r}")
    return entry

  def _import(self, module: str):
    try:
      return importlib.import_module(module)
    except Exception as error:
      message = user_code.describe(error)
      raise ValueError(f"{self._kind} module {module!r} cannot be imported: {message}") from None

  def _load_file(self, source: str):
    path = pathlib.Path(source).expanduser().resolve()
    if not path.is_file():
      raise ValueError(f"{self._kind} file {source!r} does not exist")
    content = zlib.crc32(str(path).encode() + path.read_bytes())
    module_name = f"ricciflat_user_{path.stem}_{content:08x}"
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
      raise ValueError(f"{self._kind} file {source!r} fails: {user_code.describe(error)}") from None
    return module


NETWORKS = Registry("network")
register, resolve = NETWORKS.register, NETWORKS.resolve
