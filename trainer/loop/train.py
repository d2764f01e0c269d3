"""A run from beginning to end: check, sample, start or resume, train phase by phase, certify."""

import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from trainer.certificate import certify
from trainer.devices import parallel
from trainer.loop import continuation
from trainer.loop import first_order as first_order_loop
from trainer.loop import gauss_newton as gauss_newton_loop
from trainer.loop.job import Job
from trainer.points import dataset as data
from trainer.run import checkpoint, metrics
from trainer.run import config as configs
from trainer.run import run as runs
from trainer.run.phases import FIRST_ORDER

# Enough to see sigma fall by a few per cent.
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
) -> dict[str, Any]:
  """Trains the metric a config describes; resumes if `workdir` holds part of the same run.

  Args:
    config: see trainer.run.config.default_config.
    workdir: where run.json, metrics.jsonl, checkpoints and the certificate go.
    seed: determines points, initial parameters and shuffling.
    dtype: real dtype of training, float32 or float64; points and certificate are float64.
    parallelism: "shard_map" or "pmap".
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results; larger batches are worked on in parts.

  Returns:
    The certificate.

  Raises:
    UserError: the input is wrong (before any long work), or the loss stopped being finite.
  """
  began = time.monotonic()

  # --- Check everything before any long work starts.
  mesh = parallel.make_mesh()
  main_process = jax.process_index() == 0
  configs.check_config(config, mesh.size)
  run = runs.open_run(config, seed, dtype)
  runs.check_smooth(run.variety)
  checkpoint.check_writable(workdir)
  if checkpoint.claim_workdir(workdir, run.identity, write=False):
    runs.check_smooth(run.variety, runs.near_singular_points(run.variety))
  checkpoint.claim_workdir(workdir, run.identity, write=main_process)
  progress = metrics.Progress(enabled=main_process)

  # --- Validation points; each loop loads its own training points.
  validation = data.load(
    data.Source(run.variety, "validation", seed, data_dir, mesh, dtype, progress.sampling),
    min(config.data.heldout_points, _VALIDATION_POINTS),
  )

  # --- The phase and its state, new or resumed.
  run = runs.enter_phase(run, checkpoint.latest_phase(workdir))
  state = parallel.replicate(mesh, runs.first_state(run, validation.omega_integral))
  writer = metrics.MetricsWriter(workdir / "metrics.jsonl", enabled=main_process)
  job = Job(run, mesh, parallelism, workdir, data_dir, memory, validation, writer, progress, began)
  resume = True

  # --- Train, phase by phase.
  while True:
    progress.note(job.run.describe(mesh.size))
    with checkpoint.open_manager(workdir, job.run.phase, config.checkpoint_every) as manager:
      if manager.latest_step() is not None:
        state = checkpoint.restore(manager, state)
        progress.note(f"resumed at step {int(state.step)}")
      elif job.run.phase == 0 and config.start == configs.BALANCED:
        state = continuation.balanced_state(job, state)
      if resume:
        job, resume = job._replace(began=began - writer.resume(int(state.step))), False
      loop = (
        first_order_loop
        if job.run.phases[job.run.phase].optimizer == FIRST_ORDER
        else gauss_newton_loop
      )
      state = loop.train(job, state, manager)
    if job.last_phase or job.out_of_time():
      break
    following = runs.enter_phase(job.run, job.run.phase + 1)
    state = parallel.replicate(mesh, continuation.next_state(job.run, state, following))
    job = job._replace(run=following)
  progress.close()

  # --- The certificate.
  return certify.certify(
    job.run,
    parallel.globalise(state, mesh),
    workdir=workdir,
    mesh=mesh,
    data_dir=data_dir,
    memory=memory,
  )
