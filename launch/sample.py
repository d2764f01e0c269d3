"""Samples the points of a config, or describes a manifold.

  ricciflat-sample --config=fermat_quintic
  ricciflat-sample --config=fermat_quintic --describe
  ricciflat-sample --describe --ambient=1,3 --degrees='2;4' --json

Training samples what it needs by itself; sampling first is for large datasets.
"""

import json

from absl import flags

from launch import cli
from trainer.certificate import certificate
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import description
from trainer.geometry.variety import check_calabi_yau, configuration_text
from trainer.moduli import sample
from trainer.run import config as configs

_CONFIG = cli.define_config_flag()
_SEED = flags.DEFINE_integer("seed", 0, "Determines the points; training uses the same flag.")
_DESCRIBE = flags.DEFINE_boolean("describe", False, "Print the exact topology and stop.")
_AMBIENT = flags.DEFINE_string("ambient", None, "With --describe: n_1,n_2,... of P^{n_1} x ...")
_DEGREES = flags.DEFINE_string(
  "degrees", None, "With --describe: the configuration matrix, one row a factor: '2;4', '3,0;0,3'."
)
_JSON = flags.DEFINE_boolean("json", False, "With --describe: print one JSON object.")


def main() -> None:
  """Samples points, or describes a manifold."""
  if _DESCRIBE.value:
    _describe()
  elif not _CONFIG.value:
    raise UserError("give --config=FILE, or --describe with --ambient and --degrees")
  else:
    configs.check_config(_CONFIG.value, parallel.make_mesh().size)
    sample.sample(_CONFIG.value, seed=_SEED.value, data_dir=cli.path_flag(cli.DATA_DIR.value))


def _describe() -> None:
  if _CONFIG.value:
    variety = description.make_variety(_CONFIG.value)
    ambient, degrees, moduli = variety.ambient, variety.degrees, variety.moduli
  elif _AMBIENT.value and _DEGREES.value:
    ambient = _integers("ambient", _AMBIENT.value)
    degrees = tuple(_integers("degrees", row) for row in _DEGREES.value.split(";"))
    check_calabi_yau(ambient, degrees)
    moduli = (1.0,) * len(ambient)
  else:
    raise UserError("--describe needs --config=FILE, or --ambient and --degrees")
  manifold = certificate.describe_topology(ambient, degrees, moduli)
  if _JSON.value:
    print(json.dumps(manifold))
    return
  print(configuration_text(ambient, degrees))
  for name in ("dimension", "euler", "volume", "intersection", "c2"):
    print(f"  {name}: {manifold[name]}")


def _integers(name: str, text: str) -> tuple[int, ...]:
  try:
    return tuple(int(part) for part in text.split(","))
  except ValueError:
    raise UserError(f"--{name}: cannot read {text!r} as whole numbers, such as 1,3") from None


def cli_main() -> None:
  """The command `ricciflat-sample`."""
  cli.run(main)


if __name__ == "__main__":
  cli_main()
