"""Files and modules of the user's own that a config names: part of what a run is, and kept with it.

A run's workdir has a copy of each in code/, its name ending in a digest of the text, so that the
run loads from anywhere and is refused where the text is another.
"""

from collections.abc import Mapping
import hashlib
import importlib.util
import os
import pathlib

import ml_collections

from networks import user_code
from trainer.errors import UserError
from trainer.problem.network_text import parse_network, split_terms

# What a config names, as written there -> its file.
Code = dict[str, pathlib.Path]


def of_config(config: ml_collections.ConfigDict) -> Code:
  """The user's files that a config names in its network, problem or loss, missing ones included."""
  texts = [*split_terms(config.network), config.problem, config.loss.name]
  names = [parse_network(text)[0].strip() for text in texts]
  found = {source: _file(source) for name in names if (source := name.rpartition(":")[0])}
  return {source: path for source, path in found.items() if path}


def digests(code: Code) -> dict[str, str]:
  """The name that each file's copy has or would have: it changes with the text."""
  return {source: _copy_name(source, path) for source, path in code.items()}


def stored(workdir: pathlib.Path, names: Mapping[str, str]) -> Code:
  """The copies in a workdir, of which run.json holds the names."""
  return {source: workdir / "code" / name for source, name in names.items()}


def keep(workdir: pathlib.Path, code: Code) -> None:
  """Copies the files into a workdir."""
  for source, path in code.items():
    copy = workdir / "code" / _copy_name(source, path)
    if not copy.exists():
      copy.parent.mkdir(exist_ok=True)
      temporary = copy.with_name(copy.name + ".tmp")
      temporary.write_bytes(path.read_bytes())
      os.replace(temporary, copy)


def relocated(text: str, code: Code) -> str:
  """A network, problem or loss as a config writes it, with the files it names where `code` says."""
  terms = []
  for term in split_terms(text):
    name, bracket, rest = term.partition("(")
    source, colon, attribute = name.strip().rpartition(":")
    if source in code:
      name = f"{code[source]}{colon}{attribute}"
    terms.append(name + bracket + rest)
  return " + ".join(terms)


def _file(source: str) -> pathlib.Path | None:
  """A user's file or module as a file; None for modules of this program or of nowhere."""
  if source.endswith(".py"):
    return pathlib.Path(source).expanduser().absolute()
  try:
    spec = importlib.util.find_spec(source)
  except (ImportError, ValueError):
    return None
  origin = spec and spec.origin
  return pathlib.Path(origin) if origin and user_code.is_users(origin) else None


def _copy_name(source: str, path: pathlib.Path) -> str:
  try:
    text = path.read_bytes()
  except OSError as error:
    raise UserError(f"cannot read {source} ({error.strerror}), which the config names") from None
  stem = pathlib.Path(source.removesuffix(".py")).name
  return f"{stem}_{hashlib.sha256(text).hexdigest()[:16]}.py"
