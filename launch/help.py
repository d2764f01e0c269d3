"""What --help prints: a command's flags, grouped, and the fields of a config."""

import importlib.metadata
import textwrap
from types import ModuleType

from absl import flags

from launch import config_files
from trainer.run import config as configs

_WIDTH = 100
_STATUSES = (
  "  Exit status: 0 done, 1 a mistake, 2 FAIL, 3 stopped by SIGTERM, 4 another process was lost."
)


def version() -> str:
  """The installed version."""
  try:
    return f"ricciflat {importlib.metadata.version('ricciflat')}"
  except importlib.metadata.PackageNotFoundError:
    return "ricciflat, not installed"


def text(command: ModuleType) -> str:
  """The help of a command: its docstring, its flags, those of every command, fields of configs."""
  values = flags.FLAGS
  own = [flag.name for flag in values.get_flags_for_module(command.__name__)]
  shared = [flag.name for flag in values.get_flags_for_module("launch.cli")]
  own = [name for name in own if "." not in name]
  if "config" in values:
    own.insert(0, "config")
  parts = [
    command.__doc__.strip(),
    _group("Flags", own),
  ]
  if shared:
    every = _group("Flags of every command", [name for name in shared if name != "config"])
    parts.append(f"{every}\n{_STATUSES}")
  if "config" in own:
    parts += [_fields(), _filled("Shipped configs", ", ".join(config_files.shipped()))]
  return "\n\n".join(parts)


def _group(title: str, names: list[str]) -> str:
  lines = []
  for name in dict.fromkeys(names):
    flag = flags.FLAGS[name]
    default = "" if flag.default in (None, False) else f" ({flag.default_as_str})"
    lines.append(
      textwrap.fill(
        f"--{name}: {flag.help}{default}", _WIDTH, initial_indent="  ", subsequent_indent="      "
      )
    )
  return "\n".join([f"{title}:", *lines])


def _fields() -> str:
  config = configs.default_config()
  flat = config.to_dict()

  def value(name):
    part = flat
    for key in name.split("."):
      part = part[key]
    return part

  entries = [f"{name}={value(name)!r}" for name in config_files.fields(config)]
  title = "Fields of a config, each overridden by --config.FIELD=VALUE, and their defaults"
  return _filled(title, ", ".join(entry.replace(" ", "\0") for entry in entries))


def _filled(title: str, content: str) -> str:
  lines = textwrap.fill(
    content,
    _WIDTH,
    initial_indent="  ",
    subsequent_indent="  ",
    break_long_words=False,
    break_on_hyphens=False,
  )
  return f"{title}:\n" + lines.replace("\0", " ")
