"""From sampled points to batches on the devices.

Each process samples (or reads back) its own rows of the dataset and puts them on its own devices.
There they stay: an epoch is a permutation of the whole dataset, the same on any number of devices,
cut into batches of which every device holds an equal part.
"""

from collections.abc import Callable
import functools
import math
import pathlib
from typing import Any, NamedTuple

import chex
import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import numpy as np

from trainer.devices import compiling, parallel
from trainer.geometry import patches
from trainer.geometry.variety import Variety
from trainer.points import batch as batches
from trainer.sampling import datasets
from trainer.sampling.sampler import Sampler

# Points whose geometry is computed at once on the host's default device.
_PREPARED_AT_ONCE = 16_384


class Dataset(NamedTuple):
  """Points on the devices.

  Attributes:
    batch: rows sharded over the mesh; rows beyond `num_points` are padding of weight 0.
    num_points: the number of real points, over all processes.
    mean_weight: the mean of all weights (float64); on a variety, integral |Omega|^2.
  """

  batch: Any
  num_points: int
  mean_weight: float


class Source(NamedTuple):
  """A stream of points, the same for every mesh, and where they go.

  Attributes:
    rows: (start, stop, progress) -> the points start, .., stop - 1 of the stream, a pytree of numpy
      arrays (stop - start, ...) with a field `weight`, such as Batch; progress(points ready, points
      asked for) is called now and then, unless it is None.
    seed: of the order in which training takes the points.
    mesh: the mesh to spread them over.
    progress: see rows.
  """

  rows: Callable[[int, int, Callable | None], Any]
  seed: int
  mesh: jax.sharding.Mesh
  progress: Callable[[int, int], None] | None = None


def of_variety(
  variety: Variety,
  split: str,
  seed: int,
  directory: pathlib.Path | None,
  mesh: jax.sharding.Mesh,
  dtype: jnp.dtype,
  progress: Callable[[int, int], None] | None = None,
  sampler: Sampler | None = None,
) -> Source:
  """The stream of sampled points of a variety.

  Args:
    variety: the manifold.
    split: "train", "heldout" or "validation", independent streams.
    seed: determines the points, together with split.
    directory: where sampled points are cached; None stores nothing.
    mesh: the mesh to spread them over.
    dtype: real dtype of the batches; the geometry is computed in float64 before the cast.
    progress: see Source.
    sampler: of the variety; None: the uniform one.
  """
  sampler = sampler or Sampler(variety)

  def rows(start, stop, progress):
    with parallel.geometry_device():
      points = datasets.load_or_sample(
        sampler,
        seed=seed,
        split=split,
        start=start,
        stop=stop,
        directory=directory,
        progress=progress,
      )
    return prepare_on_host(variety, points.z, points.weight, dtype)

  return Source(rows, seed, mesh, progress)


def replaced(source: Source, first: Any) -> Source:
  """The stream whose first rows are others, with the weights of those they replace.

  Args:
    source: a stream.
    first: a pytree of numpy arrays (K, ...), as source.rows returns; its weights are not read.
  """

  def rows(start, stop, progress):
    own = source.rows(start, stop, progress)
    count = max(0, min(stop, len(first.weight)) - start)
    if not count:
      return own
    weight = own.weight
    paste = lambda new, old: np.concatenate(
      [new[start : start + count].astype(old.dtype), old[count:]]
    )
    return jax.tree.map(paste, first, own)._replace(weight=weight)

  return source._replace(rows=rows)


def load(source: Source, num_points: int, first: int = 0) -> Dataset:
  """Loads or samples `num_points` points of a stream, from the `first` on, and shards them.

  Each process loads its own part. Which points the dataset holds does not depend on the mesh.
  """
  local = load_on_host(source, num_points, first)
  sums = np.array([np.sum(local.weight, dtype=np.float64), np.count_nonzero(local.weight)])
  if jax.process_count() > 1:
    sums = np.sum(multihost_utils.process_allgather(sums), axis=0)
  return Dataset(put(source, local, num_points), num_points, float(sums[0] / sums[1]))


def load_on_host(source: Source, num_points: int, first: int) -> Any:
  """This process' rows of a dataset, numpy arrays, padding of weight 0 included."""
  start, stop = parallel.local_rows(source.mesh, _padded(source, num_points))
  real = max(min(stop, num_points) - start, 0)
  # A process beyond the last point still needs some point to pad with.
  begin = first + min(start, num_points - 1)
  local = source.rows(begin, begin + max(real, 1), source.progress)
  missing = (stop - start) - local.weight.shape[0]
  local = jax.tree.map(lambda a: np.concatenate([a, a[:1].repeat(missing, 0)]), local)
  local.weight[real:] = 0
  return local


def put(source: Source, local: Any, num_points: int) -> Any:
  """Puts each process' `load_on_host` on its devices."""
  return parallel.shard_rows(source.mesh, local, _padded(source, num_points))


def coordinates(points: Dataset) -> np.ndarray:
  """The points z (num_points, N) complex of a variety, on every process."""
  x = np.asarray(parallel.gather_rows(points.batch.x), np.float64)[: points.num_points]
  n = x.shape[1] // 2
  return x[:, :n] + 1j * x[:, n:]


def _padded(source: Source, num_points: int) -> int:
  return math.ceil(num_points / source.mesh.size) * source.mesh.size


@functools.partial(compiling.jit_older_fusions, static_argnums=(0,))
def _prepare(variety, z, weight, charts):
  return batches.prepare(variety, z, weight, charts)


def prepare_on_host(
  variety: Variety,
  z: np.ndarray,
  weight: np.ndarray,
  dtype: jnp.dtype,
  at_once: int = _PREPARED_AT_ONCE,
  charts: patches.Chart | None = None,
) -> batches.Batch:
  """The batch of points, as numpy arrays, computed in float64 block by block, cast to `dtype`.

  See trainer.points.batch.prepare.
  """
  blocks = []
  for start in range(0, len(z), at_once):
    part = slice(start, start + at_once)
    missing = at_once - len(z[part])
    pad = lambda a: np.concatenate([a[part], a[:1].repeat(missing, 0)])
    with parallel.geometry_device():
      block = _prepare(variety, pad(z), pad(weight), jax.tree.map(pad, charts))
    block = jax.tree.map(lambda a: np.asarray(a)[: len(z[part])], block)
    blocks.append(batches.cast(block, dtype))
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

  def shuffle(batch: Any, key: jax.Array, epoch: jax.Array) -> Any:
    chex.assert_rank(batch.weight, 1)
    order = jax.random.permutation(jax.random.fold_in(key, epoch), num_points)
    order = order[: steps * batch_size].reshape(steps, batch_size)
    return jax.tree.map(lambda a: a[order], batch)

  shuffled = jax.jit(parallel.trace_once(shuffle), out_shardings=parallel.sharded(mesh, axis=1))
  return parallel.one_at_a_time(shuffled, mesh)
