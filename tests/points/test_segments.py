"""Segments: datasets larger than the devices, and streams."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic
from trainer.devices import parallel
from trainer.geometry import description
from trainer.points import dataset
from trainer.points.segments import Segments
from trainer.sampling import datasets
from trainer.sampling.sampler import Sampler

_SEED = 4


@pytest.fixture(scope="module")
def variety():
  return description.make_variety(fermat_cubic.get_config())


def _segments(variety, data_dir, devices=4, **settings):
  mesh = parallel.make_mesh(jax.devices()[:devices])
  source = dataset.of_variety(variety, "train", _SEED, data_dir, mesh, jnp.float64)
  return Segments(source, batch_size=8, mode="shard_map", **settings)


def _rows(variety, data_dir, start, stop):
  """x of the points start <= i < stop, in order."""
  points = datasets.load_or_sample(
    Sampler(variety), seed=_SEED, split="train", start=start, stop=stop, directory=data_dir
  )
  return np.asarray(dataset.prepare_on_host(variety, points.z, points.weight, jnp.float64).x)


def _sorted(x):
  x = np.asarray(x).reshape(-1, x.shape[-1])
  return x[np.lexsort(x.T)]


def test_a_large_dataset_is_visited_whole_in_every_epoch(variety, data_dir):
  segments = _segments(variety, data_dir, num_points=100, resident_points=25, stream=False)
  assert segments.steps == 3
  parts = [set(map(tuple, _rows(variety, data_dir, 25 * i, 25 * i + 25))) for i in range(4)]
  orders = []
  for epoch in range(4):
    order = []
    for place in range(4):
      rows = set(map(tuple, np.asarray(segments(4 * epoch + place).x).reshape(24, -1)))
      assert len(rows) == 24
      order += [i for i, part in enumerate(parts) if rows <= part]
    assert sorted(order) == [0, 1, 2, 3]
    orders.append(tuple(order))
  assert len(set(orders)) > 1
  segments.close()


def test_a_resumed_run_gets_the_same_segment(variety, data_dir):
  settings = dict(num_points=100, resident_points=25, stream=False)
  straight = _segments(variety, data_dir, **settings)
  expected = [np.asarray(straight(i).x) for i in range(4)]
  resumed = _segments(variety, data_dir, devices=1, **settings)
  for index in (3, 1):
    np.testing.assert_array_equal(np.asarray(resumed(index).x), expected[index])


def test_a_stream_has_fresh_points_and_stores_nothing(variety, data_dir, tmp_path):
  segments = _segments(variety, None, num_points=32, resident_points=1000, stream=True)
  for index in range(3):
    np.testing.assert_array_equal(
      _sorted(segments(index).x), _sorted(_rows(variety, data_dir, 32 * index, 32 * index + 32))
    )
