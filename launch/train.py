"""Trains a Ricci-flat metric to a finished certificate.

  ricciflat-train --config=fermat_quintic --workdir=runs/fermat_quintic

The same command resumes an interrupted run. See README.md for several hosts.
"""

from absl import flags

from launch import cli
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.loop import train
from trainer.run import config as configs
from trainer.run.profile import Profile

_CONFIG = cli.define_config_flag()
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the run: checkpoints, certificate.")
_SEED = flags.DEFINE_integer("seed", 0, "Determines points, initial parameters and shuffling.")
_DTYPE = flags.DEFINE_string("dtype", "float32", "Precision of training: float32 or float64.")
_PARALLELISM = flags.DEFINE_enum(
  "parallelism", "shard_map", parallel.MODES, "How a step is spread over devices."
)
_PROFILE = flags.DEFINE_string(
  "profile_steps", None, "a:b traces the steps a <= step < b to profile/ in --workdir."
)
_TENSORBOARD = flags.DEFINE_boolean(
  "tensorboard", False, "Write metrics as event files too, to tensorboard/ in --workdir."
)


def main() -> None:
  """Trains what --config says."""
  if not _CONFIG.value or not _WORKDIR.value:
    raise UserError("give --config=FILE and --workdir=DIRECTORY")
  certificate = train.train(
    _CONFIG.value,
    workdir=cli.path_flag(_WORKDIR.value),
    seed=_SEED.value,
    dtype=configs.real_dtype(_DTYPE.value),
    parallelism=_PARALLELISM.value,
    data_dir=cli.path_flag(cli.DATA_DIR.value),
    memory=cli.memory(),
    host=cli.HOST,
    profile=Profile.of_text(_PROFILE.value) if _PROFILE.value else None,
    tensorboard=_TENSORBOARD.value,
  )
  cli.judge(certificate)


def cli_main() -> None:
  """The command `ricciflat-train`."""
  cli.run(main)


if __name__ == "__main__":
  cli_main()
