"""A positive definite matrix spread over devices, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.devices import parallel
from trainer.optimizers import cholesky


# Panels that fill the devices' places and stages, or leave some empty; last ones that are not full.
@pytest.mark.parametrize("size, devices, width", [(70, 4, 3), (33, 4, 8), (12, 2, 2), (9, 1, 2)])
def test_it_solves_as_one_device_does(size, devices, width):
  rng = np.random.default_rng(0)
  # A device's summand each.
  halves = rng.normal(size=(devices, size, 2 * size))
  parts = halves @ halves.transpose(0, 2, 1)
  b, shift = rng.normal(size=(2, size))
  made = cholesky.Layout(size, devices, width)

  def run(part):
    panels = cholesky.spread(part[0], made)
    shifted = cholesky.add_diagonal(panels, made, shift**2)
    x = cholesky.solve(shifted, made, jnp.asarray(b))
    return x, cholesky.diagonal(panels, made), cholesky.square(panels, made, x)

  mesh = parallel.make_mesh(jax.devices()[:devices])
  x, diagonal, square = parallel.compile_sums(lambda _, part: run(part), mesh)(None, parts)
  a = parts.sum(0)
  expected = np.linalg.solve(a + np.diag(shift**2), b)
  np.testing.assert_allclose(x, expected, rtol=1e-11)
  np.testing.assert_allclose(diagonal, np.diag(a), rtol=1e-14)
  np.testing.assert_allclose(square, expected @ a @ expected, rtol=1e-12)


def test_what_is_not_positive_gives_no_numbers():
  made = cholesky.Layout(8, 2, 2)
  mesh = parallel.make_mesh(jax.devices()[:2])
  parts = np.stack([np.diag([1.0, 1, 1, 1, 1, -3, 1, 1])] * 2)

  def run(_, part):
    return cholesky.solve(cholesky.spread(part[0], made), made, jnp.ones(8))

  assert not np.isfinite(parallel.compile_sums(run, mesh)(None, parts)).all()


def test_few_unknowns_or_few_devices_are_left_to_one():
  assert cholesky.layout(5000, 4) is None and cholesky.layout(1000, 8) is None
  assert cholesky.layout(5000, 8) == cholesky.Layout(5000, 8, 128)
  assert cholesky.layout(5000, 128) == cholesky.Layout(5000, 128, 40)
  assert cholesky.layout(5000, 4096) is None
