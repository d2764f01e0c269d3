"""The result of training does not depend on how the points are spread."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import fermat_cubic
from trainer.devices import parallel
from trainer.geometry import description
from trainer.metric.problem import MetricProblem
from trainer.optimizers.first_order_step import make_step
from trainer.optimizers.state import new_state
from trainer.points import batch as batches
from trainer.points import dataset

_STEPS = 20
_POINTS = 1003  # Divides neither over 4 devices nor into batches.
_BATCH = 64


@functools.cache
def _variety():
  return description.make_variety(fermat_cubic.get_config())


def _losses(data_dir, num_devices, mode, dtype):
  """The losses of 20 steps, over the end of an epoch, and the final parameters."""
  mesh = parallel.make_mesh(jax.devices()[:num_devices])
  points = dataset.load(dataset.of_variety(_variety(), "train", 0, data_dir, mesh, dtype), _POINTS)
  problem = MetricProblem(_variety(), "phi_mlp(widths=(8, 8))")
  optimizer = optax.adam(1e-2)
  params = problem.init(jax.random.key(1), problem.volume)
  params = jax.tree.map(lambda a: a.astype(dtype), params)
  state = new_state(jnp.int32(0), params, optimizer.init(params))
  state = parallel.replicate(mesh, state)
  step = parallel.compile_step(make_step(problem, optimizer), mesh, mode)
  shuffle = dataset.make_shuffle(mesh, points.num_points, _BATCH)
  losses = []
  for i in range(_STEPS):
    if i % (_POINTS // _BATCH) == 0:
      epoch = shuffle(points.batch, jax.random.key(2), i // (_POINTS // _BATCH))
      epoch = parallel.lay_out_epoch(epoch, mesh, mode)
    state, metrics = step(state, epoch)
    losses.append(float(metrics["loss"]))
  return np.array(losses), jax.tree.map(np.asarray, state.params)


def test_same_losses_on_any_number_of_devices(data_dir):
  dtype, tolerance = jnp.float64, 1e-11
  reference, _ = _losses(data_dir, 1, "shard_map", dtype)
  assert reference[-1] < 0.9 * reference[0]
  for num_devices, mode in [(4, "shard_map"), (1, "pmap"), (4, "pmap")]:
    losses, params = _losses(data_dir, num_devices, mode, dtype)
    np.testing.assert_allclose(losses, reference, rtol=tolerance)
    assert {a.dtype for a in jax.tree.leaves(params)} == {np.dtype(dtype)}


def test_rows_do_not_depend_on_the_mesh(data_dir):
  load = lambda count: dataset.load(
    dataset.of_variety(
      _variety(), "train", 0, data_dir, parallel.make_mesh(jax.devices()[:count]), jnp.float64
    ),
    _POINTS,
  )
  one, four = load(1), load(4)
  assert four.batch.x.shape[0] == 1004 and float(four.batch.weight[-1]) == 0
  jax.tree.map(
    lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)[:_POINTS]),
    one.batch,
    four.batch,
  )
  assert one.mean_weight == four.mean_weight


def test_an_epoch_visits_every_point_at_most_once(data_dir):
  mesh = parallel.make_mesh()
  points = dataset.load(
    dataset.of_variety(_variety(), "train", 0, data_dir, mesh, jnp.float64), _POINTS
  )
  shuffle = dataset.make_shuffle(mesh, _POINTS, _BATCH)
  epochs = [np.asarray(shuffle(points.batch, jax.random.key(0), i).x) for i in range(2)]
  for epoch in epochs:
    assert epoch.shape == (_POINTS // _BATCH, _BATCH, 2 * _variety().num_coordinates)
    assert len(np.unique(epoch.reshape(-1, epoch.shape[-1]), axis=0)) == 15 * _BATCH
  assert not np.array_equal(*epochs)


def test_geometry_is_computed_in_float64_before_the_cast(data_dir):
  mesh = parallel.make_mesh(jax.devices()[:1])
  load = lambda dtype: (
    dataset.load(dataset.of_variety(_variety(), "train", 0, data_dir, mesh, dtype), _POINTS).batch
  )
  cast = batches.cast(load(jnp.float64), jnp.float32)
  jax.tree.map(np.testing.assert_array_equal, load(jnp.float32), cast)
