"""A metric at points: what integrals over the manifold and functions on it are made of."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import microbatch, parallel
from trainer.geometry import hermitian, topology
from trainer.geometry.variety import Variety
from trainer.points import dataset
from trainer.points.batch import Batch
from trainer.run.run import Run

# Bytes of a device for what is computed at a chunk of points: products of matrices reach their full
# speed, and no more.
_CHUNK = 2**26


class Rows(NamedTuple):
  """Points, B of them, sharded over the mesh.

  Attributes:
    x: (B, 2N) real, [Re z, Im z].
    pullback: (B, n, N) complex, J[a, i] = dz^i/dx^a.
    metric: (B, n, n) complex, [a, b] = g_{a bbar}.
    volume: (B,) real, quadrature weights of dvol = det g d^{2n}x: their sum estimates the volume; 0
      marks padding.
    omega: (B,) real, |Omega|^2 in local coordinates.
  """

  x: jax.Array
  pullback: jax.Array
  metric: jax.Array
  volume: jax.Array
  omega: jax.Array


@dataclasses.dataclass(frozen=True, eq=False)
class Background:
  """A metric on a manifold in projective spaces, at points.

  Attributes:
    ambient: dimensions (n_1, .., n_m) of the projective spaces.
    rows: the points.
    num_points: those that are not padding; the last rows are.
    points_per_slice: consecutive points that are one statistical unit.
    total: the exact volume.
    mesh: the devices.
    memory: bytes of each for intermediate results.
  """

  ambient: tuple[int, ...]
  rows: Rows
  num_points: int
  points_per_slice: int
  total: float
  mesh: jax.sharding.Mesh
  memory: int

  @property
  def dimension(self) -> int:
    """n, the complex dimension."""
    return self.rows.metric.shape[-1]

  def at_points(self, function: Callable[..., Any], params: Any = None, extra: Any = None) -> Any:
    """What a function gives at every point, a chunk at a time.

    Args:
      function: (params, Rows), or (params, Rows, extra) -> a pytree of arrays (C, ...); compiled
        once for the same function.
      params: a pytree, the same for all points.
      extra: a pytree of arrays (B, ...), sharded like the points; None if the function takes none.

    Returns:
      A pytree of arrays (B, ...), sharded like the points.
    """
    program = _rows_program(function, self.mesh, self.memory)
    return program(parallel.replicate(self.mesh, params), self._with(extra))

  def integral(self, function: Callable[..., Any], params: Any = None, extra: Any = None) -> Any:
    """The sum over all points of what a function gives for chunks of them, the same everywhere.

    Args:
      function: (params, Rows), or (params, Rows, extra) -> a pytree of sums over a chunk, in which
        points of volume 0 must count nothing; compiled once for the same function.
      params: see at_points.
      extra: see at_points.

    Returns:
      A pytree of numpy arrays.
    """
    program = _sums_program(function, self.mesh, self.memory)
    sums = program(parallel.replicate(self.mesh, params), self._with(extra))
    return jax.tree.map(np.asarray, sums)

  def halves(self) -> tuple[Background, Background]:
    """Every other slice, and the rest; of whole slices, as many on every device."""
    program = _halves_program(self.mesh, self.points_per_slice)
    half = self.num_points // 2
    return tuple(
      dataclasses.replace(self, rows=_scaled(r, 2.0), num_points=half)
      for r in program(None, self.rows)
    )

  def with_volume(self, volume: jax.Array) -> Background:
    """The same points with other quadrature weights (B,)."""
    return dataclasses.replace(self, rows=self.rows._replace(volume=volume))

  def _with(self, extra):
    return (self.rows,) if extra is None else (self.rows, extra)


def of_metric(
  variety: Variety,
  metric: Callable[[Any, Batch], jax.Array],
  params: Any,
  points: dataset.Dataset,
  points_per_slice: int,
  mesh: jax.sharding.Mesh,
  memory: int,
) -> Background:
  """The background of any metric in the class of a variety's Kaehler moduli.

  Args:
    variety: the manifold.
    metric: (params, batch) -> g packed (n * n, B), as trainer.metric.ansatz.Ansatz has it.
    params: its parameters.
    points: see trainer.points.dataset.
    points_per_slice: of the sampler.
    mesh: the devices the points are on.
    memory: bytes of each for intermediate results.
  """

  def rows(params, batch):
    packed = metric(params, batch)
    density = hermitian.determinant(packed) / batch.omega
    g = hermitian.unpack(packed)
    return Rows(batch.x, batch.pullback, g, batch.weight * density, batch.omega)

  def of_device(params, batch):
    at = functools.partial(rows, params)
    return microbatch.apply(at, batch, microbatch.plan(at, batch, memory))

  made = parallel.compile_rows(of_device, mesh)(parallel.replicate(mesh, params), points.batch)
  made = made._replace(volume=made.volume / jnp.count_nonzero(points.batch.weight))
  total = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  return Background(variety.ambient, made, points.num_points, points_per_slice, total, mesh, memory)


def of_run(
  run: Run,
  params: Any,
  *,
  num_points: int,
  split: str = "heldout",
  seed: int | None = None,
  data_dir: pathlib.Path | None = None,
  mesh: jax.sharding.Mesh,
  memory: int,
  progress: Callable[[int, int], None] | None = None,
) -> Background:
  """The background of a run's metric, in the widest precision.

  Args:
    run: of a metric.
    params: the parameters of its network.
    num_points: how many points, whole slices being best.
    split: which stream of points, see trainer.points.dataset.of_variety.
    seed: of the points; by default the run's.
    data_dir: where sampled points are cached; None stores nothing.
    mesh: the devices.
    memory: bytes of each for intermediate results.
    progress: see trainer.points.dataset.Source.
  """
  problem, dtype = run.problem, parallel.widest_dtype()
  seed = run.seed if seed is None else seed
  source = problem.source(split, seed, data_dir, mesh, dtype, progress)
  points = dataset.load(source, num_points)
  params = jax.tree.map(lambda a: np.asarray(a, dtype), params)
  return of_metric(
    problem.variety,
    problem.ansatz.metric,
    params,
    points,
    problem.points_per_slice,
    mesh,
    memory,
  )


def _scaled(rows, factor):
  return rows._replace(volume=rows.volume * factor)


@functools.lru_cache(maxsize=4)
def _halves_program(mesh, points_per_slice):
  def of_device(_, rows):
    def half(a, which):
      slices = a.reshape(-1, 2, points_per_slice, *a.shape[1:])
      return slices[:, which].reshape(-1, *a.shape[1:])

    return tuple(jax.tree.map(functools.partial(half, which=i), rows) for i in (0, 1))

  return parallel.compile_rows(of_device, mesh)


@functools.lru_cache(maxsize=64)
def _rows_program(function, mesh, memory):
  def of_device(params, rows):
    at = lambda rows: function(params, *rows)
    return microbatch.apply(at, rows, microbatch.plan(at, rows, memory))

  return parallel.compile_rows(of_device, mesh)


@functools.lru_cache(maxsize=64)
def _sums_program(function, mesh, memory):
  def of_device(params, rows):
    def sums(rows, volume):
      rows = rows[0]._replace(volume=volume), *rows[1:]
      return function(params, *rows)

    points = rows[0].volume.shape[0]
    plan = microbatch.plan(lambda rows: sums(rows, rows[0].volume), rows, memory)
    results = jax.tree.leaves(jax.eval_shape(sums, rows, rows[0].volume))
    result = sum(a.size * a.dtype.itemsize for a in results)
    # What a few points need holds the sums, too, which do not grow with the points.
    of_point = plan.bytes_per_point - result // min(microbatch.PROBE, points)
    of_point = max(of_point, plan.bytes_per_point // microbatch.PROBE, 1)
    # Adding up large sums must not take longer than making them.
    chunk, budget = 1, max(_CHUNK, min(2 * result, memory), 16 * of_point)
    while 2 * chunk * of_point <= budget:
      chunk *= 2
    plan = plan._replace(chunk=min(chunk, points))
    return parallel.psum(microbatch.accumulate(sums, rows, rows[0].volume, plan))

  return parallel.compile_sums(of_device, mesh)
