"""Samples the points of a config ahead of training and reports what they are worth."""

import pathlib
import time

import jax
import ml_collections
import numpy as np

from trainer import metrics
from trainer import run as runs
from trainer.measures import weighted_mean
from trainer.sampling import datasets
from trainer.sampling.points import dropped_slices, effective_sample_size
from trainer.sampling.sampler import Sampler


def sample(config: ml_collections.ConfigDict, *, seed: int, data_dir: pathlib.Path) -> None:
  """Fills the cache with the training and held-out points of a config.

  Each process samples an equal part and prints, for that part, the points a second, the dropped slices,
  the effective sample size and integral |Omega|^2.

  Args:
    config: see trainer.config.default_config.
    seed: the seed training will use.
    data_dir: where the points go.

  Raises:
    UserError: the variety is wrong, or data_dir cannot be written.
  """
  variety = runs.smooth_variety(config)
  points_per_slice = Sampler(variety).points_per_slice
  part, parts = jax.process_index(), jax.process_count()
  for split, count in (("train", config.data.train_points),
                       ("heldout", config.data.heldout_points)):
    progress = metrics.Progress(config.steps, enabled=part == 0)
    began = time.monotonic()
    points = datasets.load_or_sample(
        variety, seed=seed, split=split, start=count * part // parts,
        stop=max(count * (part + 1) // parts, count * part // parts + 1), directory=data_dir,
        progress=progress.sampling)
    seconds = time.monotonic() - began
    progress.close()
    weight = points.weight
    omega_integral = weighted_mean(
        (weight > 0).astype(np.float64), weight, points_per_slice)
    print(f"{split}: {len(weight)} points in {seconds:.1f} s ({len(weight) / seconds:.0f} a second), "
          f"{dropped_slices(points, points_per_slice)} slices dropped, effective sample size "
          f"{effective_sample_size(weight):.0f}, integral |Omega|^2 {omega_integral}")
