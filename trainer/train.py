"""The training loop, top to bottom: check, sample, start or resume, train, certify."""

import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from trainer import batch as batches
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
from trainer.losses import make_loss
from trainer.sampling.sampler import Sampler
from trainer.segments import Segments
from trainer.step import TrainState, make_step, plan_memory


def train(
    config: ml_collections.ConfigDict, *, workdir: pathlib.Path, seed: int, dtype: jnp.dtype,
    parallelism: str, data_dir: pathlib.Path, memory: int) -> dict[str, Any]:
  """Trains the metric a config describes; resumes if `workdir` holds part of the same run.

  Args:
    config: see trainer.config.default_config.
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
  progress = metrics.Progress(config.steps, enabled=main_process)
  progress.note(run.describe(mesh.size))

  # --- Points, each process its own part.
  source = lambda split, directory: data.Source(
      run.variety, split, seed, directory, mesh, dtype, progress.sampling)
  segments = Segments(
      source("train", None if config.data.stream else data_dir),
      num_points=config.data.train_points, resident_points=config.data.resident_points,
      stream=config.data.stream, batch_size=config.batch_size, mode=parallelism)
  heldout = data.load(source("heldout", data_dir), config.data.heldout_points)

  # --- The state, new or resumed.
  state = parallel.replicate(mesh, runs.first_state(run, segments.omega_integral))
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
  loss = make_loss(**config.loss)
  plan = plan_memory(
      run.ansatz, loss, state.params,
      batches.abstract(run.variety, config.batch_size // mesh.size, dtype), memory)
  progress.note(f"each device's part of a batch: {plan}")
  compiled_step = parallel.compile_step(
      make_step(run.ansatz, loss, run.optimizer, plan), mesh, parallelism)
  evaluator = Evaluator(run.ansatz.metric, mesh, memory)
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

  losses, segment_index = [], None
  tick, tick_step = time.monotonic(), step
  while step < config.steps:
    if step // segments.steps != segment_index:
      segment_index = step // segments.steps
      segment = segments(segment_index)
    state, step_metrics = compiled_step(state, segment)
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
  segments.close()
  progress.close()

  # --- The certificate.
  return certify.certify(
      run, parallel.globalise(state, mesh), workdir=workdir, mesh=mesh, data_dir=data_dir,
      memory=memory)


def _stop_if_nonfinite(state: TrainState) -> None:
  bad = int(state.nonfinite_step)
  if bad >= 0:
    raise UserError(
        f"the loss is not finite since step {bad}: lower config.optimizer.learning_rate or "
        "config.optimizer.clip_norm; the last checkpoint holds the state before")
