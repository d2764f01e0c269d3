"""Measures a trained metric and writes its certificate and report.

  ricciflat-evaluate --workdir=runs/fermat_quintic [--points=200000] [--seed=1]
  ricciflat-evaluate --workdir=runs/fermat_quintic --curvature --points=100000
  ricciflat-evaluate --workdir=runs/bicubic --spectrum --harmonic --bundle=1,-1
  ricciflat-evaluate --compare runs/fermat_quintic runs/fermat_quintic_fine
  ricciflat-evaluate --moduli --config=dwork_quintic:0.5

Fields are written to files in --workdir instead: .json values with errors, .npz fields at points.
"""

import pathlib

from absl import flags
import jax

from launch import cli
from trainer.bundles import write as bundles
from trainer.certificate import certify, compare, report_fields
from trainer.certificate.certificate import read_certificate
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.harmonic import write as harmonic
from trainer.loop.state import load_state
from trainer.moduli import sample
from trainer.quadrature import of_run
from trainer.run import metrics
from trainer.run import run as runs
from trainer.spectrum import write as spectrum
from trainer.use import archive

_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of a trained run.")
_POINTS = flags.DEFINE_integer(
  "points", None, "Held-out points; default: as in the run's config, two million for --moduli."
)
_SEED = flags.DEFINE_integer("seed", None, "Seed of the held-out points; default: the run's.")
_CURVATURE = flags.DEFINE_boolean(
  "curvature",
  False,
  "Metric, connection, Riemann tensor and Chern densities at points (trainer.use.archive).",
)
_MODULI = flags.DEFINE_boolean(
  "moduli",
  False,
  "Weil-Petersson metric and Yukawa couplings along parameters of --config; takes no metric.",
)
_HARMONIC = flags.DEFINE_boolean(
  "harmonic",
  False,
  "Harmonic (1, 1) forms; H^1(T), G and y along named parameters (trainer.harmonic.write).",
)
_DEFORMATIONS = flags.DEFINE_boolean(
  "deformations",
  False,
  "H^1(T): the metric and couplings of all polynomial deformations (trainer.harmonic.write).",
)
_SPECTRUM = flags.DEFINE_boolean(
  "spectrum", False, "Levels of the scalar Laplacian and their picture (trainer.spectrum.write)."
)
_BUNDLE = flags.DEFINE_string(
  "bundle",
  None,
  'k_1,.., or several separated by ";": Hermitian Yang-Mills (trainer.bundles.write).',
)
_DEGREE = flags.DEFINE_integer(
  "degree", None, "Degree of the functions that fields are made of; default: what time allows."
)
_COMPARE = flags.DEFINE_boolean(
  "compare",
  False,
  "Put the runs in the directories given beside each other, in comparison.png, too.",
)
_CONFIG = cli.define_config_flag()

_MODULI_POINTS = 2_000_000


def main(*directories: str) -> None:
  """Certifies a trained run, writes its curvature, compares several, or measures a moduli space."""
  if _COMPARE.value:
    picture = pathlib.Path("comparison.png").absolute()
    print(compare.compare([cli.path_flag(directory) for directory in directories], picture))
    print(f"picture: {picture}")
    return
  if _POINTS.value is not None and _POINTS.value < 1:
    raise UserError(f"--points={_POINTS.value} must be at least 1")
  if _MODULI.value:
    if not _CONFIG.value:
      raise UserError("give --config=FILE with --moduli")
    sample.measure_moduli(
      _CONFIG.value, seed=_SEED.value or 0, num_points=_POINTS.value or _MODULI_POINTS
    )
    return
  if not _WORKDIR.value:
    raise UserError("give --workdir=DIRECTORY, the directory of a trained run")
  workdir = cli.path_flag(_WORKDIR.value)
  settings = dict(
    mesh=parallel.make_mesh(),
    data_dir=cli.path_flag(cli.DATA_DIR.value),
    memory=cli.memory(),
    num_points=_POINTS.value,
    seed=_SEED.value,
  )
  if _CURVATURE.value:
    print(f"curvature: {archive.write_curvature(workdir, **settings)}")
    return
  if _SPECTRUM.value or _HARMONIC.value or _DEFORMATIONS.value or _BUNDLE.value:
    _write_fields(workdir, settings)
    return
  progress = metrics.Progress(enabled=jax.process_index() == 0)
  progress.stage(f"loading {workdir}")
  run = runs.load_run(workdir)
  state = load_state(run, workdir)
  cli.judge(certify.certify(run, state, workdir=workdir, progress=progress, **settings))


def _write_fields(workdir, settings):
  """Says what is wrong with any of them first; the report shows what is done so far."""
  cli.judge(read_certificate(workdir))
  task = of_run.open_task(workdir, degree=_DEGREE.value, **settings)
  if _HARMONIC.value:
    harmonic.check(task)
  if _DEFORMATIONS.value:
    harmonic.check_deformations(task)
  if _BUNDLE.value:
    bundles.check(task, _BUNDLE.value)
  for flag, name, write in (
    (_SPECTRUM, "spectrum", spectrum.write_spectrum),
    (_HARMONIC, "harmonic forms", harmonic.write_harmonic),
    (_DEFORMATIONS, "deformations", harmonic.write_deformations),
    (_BUNDLE, "bundle", lambda task: bundles.write_bundle(task, _BUNDLE.value)),
  ):
    if flag.value:
      print(f"{name}: {write(task)}")
      if jax.process_index() == 0:
        report_fields.refresh(workdir)


def cli_main() -> None:
  """The command `ricciflat-evaluate`."""
  cli.run(main, takes=_COMPARE)


if __name__ == "__main__":
  cli_main()
