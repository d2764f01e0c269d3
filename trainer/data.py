"""From sampled points to batches on the devices.

Each process samples (or reads back) its own rows of the dataset and puts them on its own devices.
There they stay: an epoch is a permutation of the whole dataset, the same on any number of devices,
cut into batches of which every device holds an equal part.
"""

from collections.abc import Callable
import functools
import math
import pathlib
from typing import NamedTuple

import chex
import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np

from trainer import batch as batches
from trainer import parallel
from trainer.geometry.variety import Variety
from trainer.sampling import datasets

# Points whose geometry is computed at once on the host's default device.
_PREPARED_AT_ONCE = 16_384


class Dataset(NamedTuple):
  """Points on the devices.

  Attributes:
    batch: float64 or float32 rows sharded over the mesh; rows beyond `num_points` are padding of
      weight 0.
    num_points: the number of real points, over all processes.
    omega_integral: integral of |Omega|^2, the mean of all weights (float64).
  """
  batch: batches.Batch
  num_points: int
  omega_integral: float


def load(
    variety: Variety, split: str, num_points: int, seed: int, directory: pathlib.Path,
    mesh: jax.sharding.Mesh, dtype: jnp.dtype, progress: Callable | None = None) -> Dataset:
  """Loads or samples points, each process its own part, and shards them over the mesh.

  Args:
    variety: the manifold.
    split: "train" or "heldout", independent streams of points.
    num_points: points in all.
    seed: determines the points, together with split.
    directory: where datasets are cached.
    mesh: the mesh to spread them over.
    dtype: real dtype of the batch; the geometry is computed in float64 before the cast.
    progress: see trainer.sampling.datasets.

  Returns:
    The dataset; which points it holds does not depend on the mesh.
  """
  num_rows = math.ceil(num_points / mesh.size) * mesh.size
  start, stop = parallel.local_rows(mesh, num_rows)
  real_start, real_stop = min(start, num_points), min(stop, num_points)
  # A process beyond the last point still needs some point to pad with.
  first = min(real_start, num_points - 1)
  with parallel.geometry_device():
    points = datasets.load_or_sample(
        variety, seed=seed, split=split, start=first, stop=max(real_stop, first + 1),
        directory=directory, progress=progress)
  weight = np.array(points.weight)
  weight[real_stop - first:] = 0
  local_sum = np.array([weight.sum(), np.count_nonzero(weight)])
  total, count = local_sum if jax.process_count() == 1 else np.sum(
      multihost_utils.process_allgather(local_sum), axis=0)
  local = prepare_on_host(variety, np.asarray(points.z), weight, dtype)
  padding = (stop - start) - local.weight.shape[0]
  local = jax.tree.map(lambda a: np.concatenate([a, a[:1].repeat(padding, 0)]), local)
  local.weight[real_stop - real_start:] = 0
  return Dataset(parallel.shard_rows(mesh, local, num_rows), num_points, float(total / count))


@functools.partial(jax.jit, static_argnums=(0, 3))
def _prepare(variety, z, weight, dtype):
  return batches.cast(batches.prepare(variety, z, weight), dtype)


def prepare_on_host(
    variety: Variety, z: np.ndarray, weight: np.ndarray, dtype: jnp.dtype) -> batches.Batch:
  """The batch of points, as numpy arrays, computed in float64 block by block, cast to `dtype`."""
  blocks = []
  for start in range(0, len(z), _PREPARED_AT_ONCE):
    part = slice(start, start + _PREPARED_AT_ONCE)
    missing = _PREPARED_AT_ONCE - len(z[part])
    pad = lambda a: np.concatenate([a[part], a[:1].repeat(missing, 0)])
    with parallel.geometry_device():
      block = _prepare(variety, pad(z), pad(weight), dtype)
    blocks.append(jax.tree.map(lambda a: np.asarray(a)[:len(z[part])], block))
  return jax.tree.map(lambda *a: np.concatenate(a), *blocks)


def make_shuffle(mesh: jax.sharding.Mesh, num_points: int, batch_size: int) -> Callable:
  """Builds the on-device shuffle that starts an epoch.

  Args:
    mesh: the mesh the dataset is spread over.
    num_points: real points of the dataset.
    batch_size: points of a batch, over all devices.

  Returns:
    shuffle(batch, key, epoch) -> the epoch's T = num_points // batch_size batches, arrays
    (T, batch_size, ...) sharded over their second axis. The points left over differ every epoch.
  """
  steps = num_points // batch_size

  def shuffle(batch: batches.Batch, key: jax.Array, epoch: jax.Array) -> batches.Batch:
    chex.assert_rank(batch.x, 2)
    order = jax.random.permutation(jax.random.fold_in(key, epoch), num_points)
    order = order[:steps * batch_size].reshape(steps, batch_size)
    return jax.tree.map(lambda a: a[order], batch)

  return jax.jit(parallel.trace_once(shuffle), out_shardings=parallel.sharded(mesh, axis=1))
