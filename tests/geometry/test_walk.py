"""Steps along a variety stay on it and go where they are sent."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry import varieties
from trainer.geometry.walk import walk


@pytest.mark.parametrize("name", ["cubic_pair", "bicubic"])
def test_a_step_ends_on_the_variety(name):
  variety = varieties.sparse_variety(name)
  z = varieties.some_points(variety, 8)
  rng = np.random.default_rng(0)
  step = rng.normal(size=(2, *z.shape))
  step = 0.02 * (step[0] + 1j * step[1])
  moved = np.asarray(walk(variety, jnp.asarray(z), jnp.asarray(step)))
  for q in variety.polynomials:
    size = np.abs(q.absolute()(np.abs(moved.T)))
    assert np.max(np.abs(q(moved.T)) / size) < 1e-13
  norms = [np.linalg.norm(moved[:, s], axis=1) for s in variety.factor_slices]
  np.testing.assert_allclose(norms, 1, rtol=1e-14)

  # To second order in the step it is the step's part along the variety.
  parts = [z[:, s] / np.linalg.norm(z[:, s], axis=1, keepdims=True) for s in variety.factor_slices]
  z = np.concatenate(parts, axis=1)
  dq = np.array([[p(z.T) for p in row] for row in variety.gradients]).transpose(2, 0, 1)
  radial = np.zeros((len(z), len(variety.factor_slices), z.shape[1]), complex)
  for i, s in enumerate(variety.factor_slices):
    radial[:, i, s] = z[:, s].conj()
  rows = np.concatenate([radial, dq], axis=1)
  projector = np.eye(z.shape[1]) - np.linalg.pinv(rows) @ rows
  along = (projector @ step[:, :, None])[:, :, 0]
  assert np.min(np.linalg.norm(along, axis=1)) > 0.02
  np.testing.assert_allclose(moved - z, along, atol=5 * np.max(np.abs(along)) ** 2 * 4)


def test_no_step_changes_nothing():
  variety = varieties.sparse_variety("quintic")
  z = varieties.some_points(variety, 4)
  z /= np.linalg.norm(z, axis=1, keepdims=True)
  moved = walk(variety, jnp.asarray(z), jnp.zeros_like(jnp.asarray(z)))
  np.testing.assert_allclose(moved, z, atol=1e-12)
