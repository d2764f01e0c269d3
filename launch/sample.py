"""Samples the points of a config and says what they are worth.

  python -m launch.sample --config=configs/fermat_quintic.py

Training samples what it needs by itself; sampling first is for large datasets.
"""

from absl import flags

from launch import cli
from trainer import config as configs
from trainer import parallel
from trainer import sample
from trainer.errors import UserError

_CONFIG = cli.define_config_flag()
_SEED = flags.DEFINE_integer("seed", 0, "Determines the points; training uses the same flag.")


def main() -> None:
  if not _CONFIG.value:
    raise UserError("give --config=FILE")
  configs.check_config(_CONFIG.value, parallel.make_mesh().size)
  sample.sample(_CONFIG.value, seed=_SEED.value, data_dir=cli.path_flag(cli.DATA_DIR.value))


def cli_main() -> None:
  cli.run(main)


if __name__ == "__main__":
  cli_main()
