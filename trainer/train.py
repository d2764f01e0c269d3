"""The training loop, top to bottom: check, sample, start or resume, train, certify."""

import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from trainer import certify
from trainer import checkpoint
from trainer import config as configs
from trainer import data
from trainer import measures
from trainer import metrics
from trainer import parallel
from trainer import run as runs
from trainer.errors import UserError
from trainer.evaluation import Evaluator
from trainer.losses import monge_ampere
from trainer.sampling.sampler import Sampler
from trainer.step import TrainState, make_step


def train(
    config: ml_collections.ConfigDict, *, workdir: pathlib.Path, seed: int, dtype: jnp.dtype,
    parallelism: str, data_dir: pathlib.Path) -> dict[str, Any]:
  """Trains the metric a config describes; resumes if `workdir` holds part of the same run.

  Args:
    config: see trainer.config.default_config.
    workdir: where run.json, metrics.jsonl, checkpoints and the certificate go.
    seed: determines points, initial parameters and shuffling.
    dtype: real dtype of training, float32 or float64; points and certificate are float64.
    parallelism: "shard_map" or "pmap".
    data_dir: where sampled points are cached.

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
  checkpoint.check_writable(workdir)
  checkpoint.claim_workdir(workdir, run.identity, write=main_process)
  progress = metrics.Progress(config.steps, enabled=main_process)
  progress.note(run.describe(mesh.size))

  # --- Points, each process its own part.
  load = lambda split, count: data.load(
      run.variety, split, count, seed, data_dir, mesh, dtype, progress.sampling)
  points = load("train", config.data.train_points)
  heldout = load("heldout", config.data.heldout_points)

  # --- The state, new or resumed.
  state = parallel.replicate(mesh, runs.first_state(run, points.omega_integral))
  manager = checkpoint.open_manager(workdir, config.checkpoint_every)
  if manager.latest_step() is not None:
    state = checkpoint.restore(manager, state)
  step = int(state.step)
  writer = metrics.MetricsWriter(workdir / "metrics.jsonl", enabled=main_process)
  seconds_before = writer.resume(step)
  elapsed = lambda: seconds_before + time.monotonic() - began
  if step:
    progress.note(f"resumed at step {step}")

  # --- Train.
  compiled_step = parallel.compile_step(
      make_step(run.ansatz, monge_ampere(config.loss.power), run.optimizer), mesh, parallelism)
  shuffle = data.make_shuffle(mesh, points.num_points, config.batch_size)
  steps_per_epoch = points.num_points // config.batch_size
  shuffle_key = jax.random.fold_in(jax.random.key(seed), 1)
  evaluator = Evaluator(run.ansatz, mesh)
  slice_size = Sampler(run.variety).points_per_slice

  def evaluate(state: TrainState) -> dict[str, float]:
    values = evaluator(
        parallel.globalise(state.params["network"], mesh), heldout.batch, heldout.num_points)
    sigma = measures.sigma(values, slice_size)
    return {"sigma": sigma.value, "sigma_stderr": sigma.stderr}

  if step == 0:
    row = {"step": 0, "seconds": elapsed(), **evaluate(state)}
    writer.write(row)
    progress.update(0, row)

  epoch, epoch_index = None, None
  losses = []
  tick, tick_step = time.monotonic(), step
  while step < config.steps:
    if step // steps_per_epoch != epoch_index:
      epoch_index = step // steps_per_epoch
      epoch = parallel.lay_out_epoch(
          shuffle(points.batch, shuffle_key, epoch_index), mesh, parallelism)
    state, step_metrics = compiled_step(state, epoch)
    step += 1
    losses.append(step_metrics["loss"])
    due = lambda every: step % every == 0 or step == config.steps
    preempted = manager.reached_preemption(step)

    if due(config.log_every) or due(config.checkpoint_every) or preempted:
      _stop_if_nonfinite(state)
    if due(config.log_every) or due(config.evaluate_every):
      loss = float(np.mean(jax.device_get(losses)))
      now = time.monotonic()
      speed = (step - tick_step) * config.batch_size / (now - tick)
      row = {"step": step, "seconds": elapsed(), "loss": loss,
             "batch_sigma": float(step_metrics["sigma"]),
             "gradient_norm": float(step_metrics["gradient_norm"]), "points_per_second": speed}
      if due(config.evaluate_every):
        row |= evaluate(state)
      writer.write(row)
      progress.update(step, row)
      losses = []
      tick, tick_step = time.monotonic(), step
    if due(config.checkpoint_every) or preempted:
      checkpoint.save(manager, step, parallel.globalise(state, mesh), force=step == config.steps)
    if preempted and step < config.steps:
      manager.wait_until_finished()
      raise UserError(f"stopped by a termination signal; checkpoint saved at step {step}: "
                      "the same command goes on from there")
  manager.wait_until_finished()
  manager.close()
  progress.close()

  # --- The certificate.
  return certify.certify(
      run, parallel.globalise(state, mesh), workdir=workdir, mesh=mesh, data_dir=data_dir)


def _stop_if_nonfinite(state: TrainState) -> None:
  bad = int(state.nonfinite_step)
  if bad >= 0:
    raise UserError(
        f"the loss is not finite since step {bad}: lower config.optimizer.learning_rate or "
        "config.optimizer.clip_norm; the last checkpoint holds the state before")
