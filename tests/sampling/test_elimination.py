"""Slices solved step by step, against resultants done by hand and against homotopy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.sampling.members import member
from trainer.sampling import elimination, homotopy, resultants
from trainer.sampling import sampler as samplers
from trainer.sampling.elimination import Step
from trainer.sampling.slices import slice_types


def test_plans():
  plan = elimination.plan
  assert plan(((3, 3),), (2,)) == (Step(0, (0, 1)),)
  schoen = ((1, 1), (3, 0), (0, 3))
  assert plan(schoen, (0, 1, 1)) == (Step(1, (0,)), Step(2, (1,)))
  # The equation that is linear in P^1 waits until its other factor is a point.
  assert plan(schoen, (1, 1, 0)) == (Step(0, (1,)), Step(1, (0,)))
  # On the plane of the second factor the linear equation comes before the cubic.
  assert plan(((3, 0, 1), (0, 3, 1)), (1, 2)) == (Step(0, (0,)), Step(1, (2,)), Step(1, (1,)))
  assert plan(((2, 2, 2),), (3,)) is None
  assert plan(((1, 1, 1),) * 3, (1, 1, 1)) is None


@pytest.mark.parametrize("degrees", [(3, 3), (2, 4)])
def test_common_zeros_of_curves(degrees):
  rng = np.random.default_rng(sum(degrees))
  curves = []
  for d in degrees:
    c = rng.normal(size=(d + 1, d + 1, 7)) + 1j * rng.normal(size=(d + 1, d + 1, 7))
    curves.append(np.where(np.add.outer(np.arange(d + 1), np.arange(d + 1))[:, :, None] <= d, c, 0))
    # Values at roots of unity give the coefficients back.
    nodes = resultants.unity(d)[:, None] ** np.arange(d + 1)
    values = np.einsum("mi,nj,ijb->mnb", nodes, nodes, curves[-1])
    np.testing.assert_allclose(resultants.coefficients(values), curves[-1], atol=1e-13)
  x, y = (np.asarray(t) for t in resultants.common_zeros(*map(jnp.asarray, curves)))
  assert x.shape == (degrees[0] * degrees[1], 7)
  scale = np.maximum(1, np.maximum(abs(x), abs(y)))
  for d, c in zip(degrees, curves):
    powers = lambda t: t[None] ** np.arange(d + 1)[:, None, None]
    value = np.einsum("ikb,jkb,ijb->kb", powers(x), powers(y), c)
    assert np.max(abs(value) / scale**d) < 1e-8
  for a in range(len(x)):
    for b in range(a):
      assert np.min(abs(x[a] - x[b]) + abs(y[a] - y[b])) > 1e-6


@pytest.mark.parametrize("name, index", [("Tian-Yau", 0), ("K3 P4[2,3]", 0)])
def test_the_same_points_as_homotopy(name, index):
  variety, _ = member(name)
  types = slice_types(variety.ambient, variety.degrees)
  slice_type = types[index]
  frames = samplers.random_frames(variety, types, 20, jax.random.key(5), 0)[index]
  steps = elimination.plan(variety.degrees, slice_type.dimensions)
  found = jax.jit(elimination.solve, static_argnums=(0, 1, 2))(variety, slice_type, steps, frames)
  expected = jax.jit(homotopy.solve, static_argnums=(0, 1))(variety, slice_type, frames)
  assert found.shape == expected.shape
  for c in range(20):
    apart = np.zeros((slice_type.num_points,) * 2)
    for s in variety.factor_slices:
      a, b = (
        np.asarray(z[s, :, c]) / np.linalg.norm(z[s, :, c], axis=0) for z in (found, expected)
      )
      apart = np.maximum(apart, np.sqrt(np.maximum(0, 1 - np.abs(a.conj().T @ b) ** 2)))
    assert np.all(np.sum(apart < 1e-6, axis=0) == 1) and np.all(np.sum(apart < 1e-6, axis=1) == 1)
