"""Config files on the command line: found by name from anywhere, their mistakes in our words."""

from collections.abc import Sequence
import difflib
import pathlib
import re

import ml_collections

import configs
from networks import registry, user_code
from trainer.errors import UserError
from trainer.run import config as configs_of_runs

_FLAG = re.compile(r"--?config(?:=(.*))?$", re.DOTALL)
_FIELD = re.compile(r"--?(?:no)?config\.([^=]*)")


def shipped() -> list[str]:
  """The names of the configs that come with the program."""
  home = pathlib.Path(configs.__path__[0])
  return sorted(path.stem for path in home.glob("*.py") if path.stem != "__init__")


def find(name: str) -> pathlib.Path:
  """The file of a config given by its path, or, of a shipped one, by NAME or configs/NAME.py."""
  path = pathlib.Path(name).expanduser()
  if path.is_file():
    return path
  if path.parent in (pathlib.Path("."), pathlib.Path("configs")) and path.stem in shipped():
    return pathlib.Path(configs.__path__[0]) / f"{path.stem}.py"
  close = difflib.get_close_matches(path.stem, shipped(), 1)
  hint = f"did you mean {close[0]}?" if close else f"give a file, or one of {', '.join(shipped())}"
  raise UserError(f"--config={name}: there is no such file or config: {hint}")


def resolved(argv: Sequence[str]) -> list[str]:
  """Command-line arguments, --config by its path, its file and the fields named all checked.

  Raises:
    UserError: there is no such config, its file fails, or it has no such field.
  """
  argv, config = list(argv), None
  for i, argument in enumerate(argv):
    if match := _FLAG.match(argument):
      following = argv[i + 1] if i + 1 < len(argv) else ""
      value = following if match[1] is None else match[1]
      name, colon, rest = value.partition(":")
      path = find(name)
      config = load(path, rest if colon else None)
      argv[i if match[1] is not None else i + 1] = (
        f"{'' if match[1] is None else '--config='}{path}{colon}{rest}"
      )
  for argument in argv:
    match = _FIELD.match(argument)
    if match and config is not None:
      _check_field(fields(config), match[1])
  return argv


def load(path: pathlib.Path, argument: str | None) -> ml_collections.ConfigDict:
  """What get_config of a config file returns; UserError, with file and line, if it fails."""
  try:
    get_config = registry.Registry("config").resolve(f"{path}:get_config")
    config = get_config() if argument is None else get_config(argument)
  except UserError:
    raise
  except ValueError as error:
    if user_code.place_of(error):
      raise UserError(f"--config={path} fails: {user_code.describe(error)}") from None
    raise UserError(str(error)) from None
  except Exception as error:
    raise UserError(f"--config={path} fails: {user_code.describe(error)}") from None
  if not isinstance(config, ml_collections.ConfigDict):
    raise UserError(
      f"--config={path}: get_config must return a config: start from default_config()"
    )
  if config.get("problem") == "metric":  # Others may read fields of their own.
    known = fields(configs_of_runs.default_config())
    for field in fields(config):
      if not field.startswith("variety.parameters."):
        _check_field(known, field)
  return config


def _check_field(known: Sequence[str], field: str) -> None:
  """UserError, with the nearest one, if there is no field or section called `field`."""
  if field in known or any(name.startswith(f"{field}.") for name in known):
    return
  section, _, last = field.rpartition(".")
  siblings = [name for name in known if name.rpartition(".")[0] == section]
  for among in (siblings, known):
    by_last = {name.rpartition(".")[2]: name for name in among}
    if close := difflib.get_close_matches(last, by_last, 1):
      raise UserError(f"there is no config.{field}: did you mean config.{by_last[close[0]]}?")
  there = ", ".join(f"config.{name}" for name in siblings if section)
  raise UserError(f"there is no config.{field}: {f'there are {there}' if there else 'see --help'}")


def fields(config: ml_collections.ConfigDict, prefix: str = "") -> list[str]:
  """The dotted names of all fields."""
  names = []
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict) and len(value):
      names += fields(value, f"{prefix}{name}.")
    else:
      names.append(prefix + name)
  return names
