"""A run from beginning to end: check, sample, start or resume, train phase by phase, certify."""

import functools
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from trainer.certificate import certify
from trainer.devices import parallel
from trainer.loop import mend, recover
from trainer.loop import state as states
from trainer.loop.job import Job
from trainer.optimizers.state import TrainState
from trainer.points import dataset
from trainer.run import checkpoint, checkpoints, chosen, code, mending, metrics
from trainer.run import config as configs
from trainer.run import run as runs
from trainer.run.events import EventWriter
from trainer.run.host import Host
from trainer.run.profile import Profile

# Enough to see a measure fall by a few per cent.
_VALIDATION_POINTS = 5_000


def train(
  config: ml_collections.ConfigDict,
  *,
  workdir: pathlib.Path,
  seed: int,
  dtype: jnp.dtype,
  parallelism: str,
  data_dir: pathlib.Path,
  memory: int,
  host: Host | None = None,
  profile: Profile | None = None,
  tensorboard: bool = False,
) -> dict[str, Any]:
  """Trains what a config describes; resumes if `workdir` holds part of the same run.

  Args:
    config: see trainer.run.config.default_config.
    workdir: where run.json, metrics.jsonl, checkpoints and the certificate go.
    seed: determines points, initial parameters and shuffling.
    dtype: real dtype of training, float32 or float64; points and certificate are float64.
    parallelism: "shard_map" or "pmap".
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results; larger batches are worked on in parts.
    host: this process.
    profile: steps to be traced.
    tensorboard: whether metrics are written as event files too, to workdir/tensorboard.

  Returns:
    The certificate.

  Raises:
    UserError: the input is wrong (before any long work), or the loss stopped being finite.
  """
  began, host = time.monotonic(), host or Host()

  # --- Check everything before any long work starts.
  mesh = parallel.make_mesh()
  main_process = jax.process_index() == 0
  events = EventWriter(workdir / "tensorboard") if tensorboard else None
  configs.check_config(config, mesh.size)
  progress = metrics.Progress(enabled=main_process)
  progress.stage("checking the manifold")
  if config.network == chosen.AUTO:
    progress.stage("choosing a network")
  choice = chosen.choose(config, workdir, memory)
  run = runs.open_run(config, seed, dtype, runs.files_of(config, workdir), choice)
  if choice:
    configs.check_config(run.config, mesh.size)
    progress.note(f"chosen: {choice}")
  run.problem.check(thorough=False)
  checkpoint.check_writable(workdir)
  is_new = checkpoint.claim_workdir(workdir, run.identity, write=False)
  progress.stage("compiling the sampler")
  if is_new:
    run.problem.check(thorough=True)
  with checkpoint.locked(workdir, main_process):
    checkpoint.claim_workdir(workdir, run.identity, write=main_process)
    host.keep_log(workdir / f"log_{jax.process_index()}.txt")
    if main_process:
      code.keep(workdir, run.code)
    writer = metrics.MetricsWriter(workdir / "metrics.jsonl", main_process, events)
    job = _prepared(
      run, mesh, parallelism, workdir, data_dir, memory, writer, progress, began, host
    )
    job = job._replace(profile=profile)
    job, state = _all_phases(job)
    progress.close()
    # What does not make sense somewhere is mended first.
    return certify.certify(
      job.run.shrunk(job.mending.share if job.mending else 1.0),
      parallel.globalise(state, mesh),
      workdir=workdir,
      mesh=mesh,
      data_dir=data_dir,
      memory=memory,
      progress=progress,
      mend=functools.partial(mend.mend, job, state),
    )


def _prepared(
  run: runs.Run,
  mesh: jax.sharding.Mesh,
  parallelism: str,
  workdir: pathlib.Path,
  data_dir: pathlib.Path,
  memory: int,
  writer: metrics.MetricsWriter,
  progress: metrics.Progress,
  began: float,
  host: Host,
) -> Job:
  """The run in the phase to go on with, and its validation points; loops load training points."""
  validation = dataset.load(
    run.problem.source("validation", run.seed, data_dir, mesh, run.dtype, progress.sampling),
    min(run.config.data.heldout_points, _VALIDATION_POINTS),
  )
  return Job(
    runs.enter_phase(run, parallel.of_first_process(checkpoints.latest_phase(workdir))),
    mesh,
    parallelism,
    workdir,
    data_dir,
    memory,
    validation,
    writer,
    progress,
    began,
    host,
    mending.read(workdir),
  )


def _all_phases(job: Job) -> tuple[Job, TrainState]:
  """Trains phase by phase, from the latest checkpoint if there is one: the last phase's end."""
  mesh, config = job.mesh, job.run.config
  state = parallel.replicate(mesh, states.first_state(job.run, job.validation.mean_weight))
  resume = True
  while True:
    job.progress.note(job.run.describe(mesh.size))
    with checkpoints.Checkpoints(job.workdir, job.run.phase, config.checkpoint_every) as saved:
      if saved.latest_step() is not None:
        state = saved.restore(state, job.progress.note)
        job.progress.note(f"resumed at step {int(state.step)}")
      elif job.run.phase == 0:
        state = _started(job, state)
      if resume:
        began = job.began - job.writer.resume(int(state.step))
        job, resume = job._replace(began=began), False
      state = recover.train(job, state, saved)
    if job.last_phase or job.out_of_time():
      return job, state
    following = runs.enter_phase(job.run, job.run.phase + 1)
    state = parallel.replicate(mesh, states.next_state(job.run, state, following))
    job = job._replace(run=following)


def _started(job: Job, state: TrainState) -> TrainState:
  """The state of a run's first phase at the parameters its problem wants to start from."""
  params = jax.tree.map(np.asarray, state.params)
  started = job.run.problem.start(params, job.first_points, job.mesh)
  if started is params:
    return state
  return parallel.replicate(job.mesh, states.enter_state(job.run, started, np.asarray(state.step)))
