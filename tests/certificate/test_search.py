"""The search finds extremes that lie between the points it starts from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic
from trainer.certificate import search
from trainer.devices import parallel
from trainer.geometry import description
from trainer.points import dataset
from trainer.problem.evaluation import Evaluator
from trainer.problem.problem import Problem


class _Shares(Problem):
  """|z_0|^2 / |z|^2, from 0 to 1/2 on the Fermat cubic: z_0^3 = -(z_1^3 + z_2^3)."""

  variety = description.make_variety(fermat_cubic.get_config())

  def values(self, params, batch):
    del params
    size = jnp.square(batch.x[:, :3]) + jnp.square(batch.x[:, 3:])
    return {"share": size[:, 0] / jnp.sum(size, axis=1)}

  def extremes(self, values, like):
    del like
    return {"min_share": values["share"], "max_share": values["share"]}


@pytest.mark.parametrize("devices", [1, 4])
def test_extremes_of_a_function_are_found(devices, data_dir):
  problem, mesh = _Shares(), parallel.make_mesh(jax.devices()[:devices])
  source = dataset.of_variety(problem.variety, "heldout", 0, data_dir, mesh, jnp.float64)
  points = dataset.load(source, 100)
  values = Evaluator(problem.values, mesh, 2**28)({}, points.batch, 100)
  places = search.worst_places(problem, {}, points, values, mesh, 2**28, jnp.float64)
  (least, *_), (largest, *_) = places["min_share"], places["max_share"]
  assert least.value == pytest.approx(0, abs=1e-5) and largest.value == pytest.approx(0.5, abs=1e-5)
  assert values["share"].max() >= largest.sampled and largest.sampled < 0.4999
  # z_0 vanishes at 3 points, z_1 or z_2 at 6.
  assert len([p for p in places["min_share"] if p.value < 1e-4]) <= 3
  for z, value in ((least.z, least.value), (largest.z, largest.value)):
    assert abs(np.sum(z**3)) < 1e-12
    assert abs(z[0]) ** 2 == pytest.approx(value, abs=1e-12)
