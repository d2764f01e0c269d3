"""What can be done with points alone: fill the cache, measure the moduli space."""

import pathlib
import time

import jax
import ml_collections
import numpy as np

from trainer.geometry import description, dwork
from trainer.geometry.variety import Variety
from trainer.moduli import measure as moduli_space
from trainer.points.concentration import make_sampler
from trainer.run import metrics
from trainer.sampling import datasets, singular
from trainer.sampling.points import dropped_slices, effective_sample_size
from trainer.sampling.statistics import format_measure, weighted_mean


def sample(config: ml_collections.ConfigDict, *, seed: int, data_dir: pathlib.Path) -> None:
  """Fills the cache with the training and held-out points of a config.

  Each process samples an equal part and prints, for that part, the points a second, the dropped
  slices, the effective sample size and integral |Omega|^2.

  Args:
    config: see trainer.run.config.default_config.
    seed: the seed training will use.
    data_dir: where the points go.

  Raises:
    UserError: the variety is wrong, or data_dir cannot be written.
  """
  progress = metrics.Progress(enabled=jax.process_index() == 0)
  variety = _checked_variety(config, progress)
  sampler = make_sampler(variety, config.data.concentration)
  points_per_slice = sampler.points_per_slice
  part, parts = jax.process_index(), jax.process_count()
  for split, count in (
    ("train", config.data.train_points),
    ("heldout", config.data.heldout_points),
  ):
    began = time.monotonic()
    points = datasets.load_or_sample(
      sampler,
      seed=seed,
      split=split,
      start=count * part // parts,
      stop=max(count * (part + 1) // parts, count * part // parts + 1),
      directory=data_dir,
      progress=progress.sampling,
    )
    seconds = time.monotonic() - began
    progress.close()
    weight = points.weight
    omega_integral = weighted_mean((weight > 0).astype(np.float64), weight, points_per_slice)
    print(
      f"{split}: {len(weight)} points in {seconds:.1f} s ({len(weight) / seconds:.0f} a second), "
      f"{dropped_slices(points, points_per_slice)} slices dropped, effective sample size "
      f"{effective_sample_size(weight):.0f}, integral |Omega|^2 {omega_integral}"
    )


def _checked_variety(config: ml_collections.ConfigDict, progress: metrics.Progress) -> Variety:
  variety = description.make_variety(config)
  progress.stage("checking the manifold")
  singular.check_smooth(variety)
  progress.stage("compiling the sampler")
  singular.check_smooth(variety, singular.near_singular_points(variety))
  return variety


def measure_moduli(config: ml_collections.ConfigDict, *, seed: int, num_points: int) -> None:
  """Prints G and y along every named complex-structure parameter, with standard errors.

  Args:
    config: its polynomials name at least one parameter.
    seed: the seed of the points.
    num_points: at least how many; whole blocks are used.

  Raises:
    UserError: the config names no parameter, or the variety is wrong.
  """
  directions = description.deformations(config)
  progress = metrics.Progress(enabled=jax.process_index() == 0)
  variety = _checked_variety(config, progress)
  space = moduli_space.measure(
    variety, directions, seed=seed, num_points=num_points, progress=progress.sampling
  )
  progress.close()
  print(
    f"Weil-Petersson metric G and normalised Yukawa coupling y from {space.num_points} points, "
    f"{space.dropped_slices} slices dropped"
    + f", crowded around {space.num_foci} nearly singular points"
    * (space.num_foci > 0)
  )
  for name, result in space.moduli.items():
    print(
      f"  {name} = {config.variety.parameters[name]}: "
      f"G = {format_measure(result.metric, result.metric_stderr)}, "
      f"y = {format_measure(result.yukawa, result.yukawa_stderr)}"
    )
    if exact := dwork.exact_moduli(variety, directions[name]):
      print(f"  exactly G = {exact.g:.10g}, y = {exact.y:.10g}")
    if not result.trustworthy():
      print(
        f"  warning: the error of G rests on {result.metric_support:.0f} slices and that of y "
        f"on {result.yukawa_support:.0f}: both are likely too small and the values too low; "
        f"take more than {num_points} --points"
      )
