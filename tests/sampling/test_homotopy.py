"""Systems on slices, the systems that homotopies start from, and paths that jump."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.sampling.members import member
from trainer.geometry import members
from trainer.geometry.fence import fence
from trainer.sampling import homotopy, newton, restricted
from trainer.sampling import sampler as samplers
from trainer.sampling.points import dropped_slices
from trainer.sampling.slices import slice_types
from trainer.sampling.start import start_system


def test_a_fence_is_computed_once():
  def count(separate):
    f = lambda x: (lambda y: y[0] * y[1] + y[2])(separate(x * x + 1))
    text = jax.jit(f).lower(jnp.ones((3, 8))).compile().as_text()
    return text[text.index("ENTRY") :].count(" call(")

  assert count(fence) == 1 and count(lambda x: x) == 0


def _complex(rng, *shape):
  return rng.normal(size=shape) + 1j * rng.normal(size=shape)


@pytest.mark.parametrize(
  "degrees, dimensions, count",
  [
    (((2, 2, 2),), (3,), 8),
    (((2, 2, 3),), (3,), 12),
    (((1, 1, 1),) * 3, (1, 1, 1), 6),
    (((1, 1, 1),) * 3, (0, 2, 1), 3),
    (((2, 1), (0, 3)), (1, 1), 6),
  ],
)
def test_start_systems(degrees, dimensions, count):
  start = start_system(degrees, dimensions)
  y = start.solutions
  assert y.shape == (sum(dimensions) + len(dimensions), count)
  for (_, degree), c in zip(restricted.groups(degrees), start.coefficients):
    rows = restricted.monomials(degree, dimensions)
    norms = [math.prod(map(math.factorial, row)) ** -0.5 for row in rows]
    values = (c * norms) @ np.prod(y.T[:, None] ** rows, axis=2).T
    assert np.max(abs(values)) < 1e-14
  overlap, first = np.ones((count, count)), 0
  for s in dimensions:
    part = y[first : first + s + 1]
    np.testing.assert_allclose(np.linalg.norm(part, axis=0), 1)
    overlap *= abs(part.conj().T @ part)
    first += s + 1
  assert np.max(overlap - np.eye(count)) < 1 - 1e-3


def test_restricted_systems_are_the_polynomials_on_slices():
  """Values and gradients at a point y, of two groups of equations on P^1 x P^2."""
  variety = members.random_variety((2, 3), ((1, 1, 1), (1, 1, 2)), (1, 1), seed=1)
  slice_type = next(t for t in slice_types(variety.ambient, variety.degrees) if t[0] == (1, 2))
  rng = np.random.default_rng(0)
  frames = _complex(rng, 2, 3, 4), _complex(rng, 3, 4, 4)
  y = _complex(rng, 5, 4)
  kinds = restricted.groups(variety.degrees)
  assert [kind.equations for kind in kinds] == [(0, 1), (2,)]
  slopes = [
    restricted.expand(
      homotopy._restrict(variety, slice_type, kind, frames), kind.degree, slice_type.dimensions
    )
    for kind in kinds
  ]
  values, gradients = restricted.evaluate(
    lambda g, k, r: slopes[g][k][:, :, r], jnp.asarray(y), kinds, slice_type.dimensions
  )

  def exact(y):
    z = newton.points(frames, (y[:2], y[2:]))
    return np.stack([q(np.asarray(z)) for q in variety.polynomials])

  np.testing.assert_allclose(values, exact(y), rtol=1e-11)
  for j in range(5):
    step = 1e-3 * np.eye(5)[j][:, None]
    # Exact for degrees up to 2.
    np.testing.assert_allclose(
      gradients[:, j], (exact(y + step) - exact(y - step)) / 2e-3, rtol=1e-8
    )


def test_the_shortest_solution():
  rng = np.random.default_rng(0)
  values, gradients = _complex(rng, 3, 6), _complex(rng, 3, 5, 6)
  x = newton.shortest(jnp.asarray(values), jnp.asarray(gradients))
  for c in range(6):
    expected = -np.linalg.pinv(gradients[:, :, c]) @ values[:, c]
    np.testing.assert_allclose(x[:, c], expected, rtol=1e-12)


def test_slices_of_paths_that_jumped_are_done_again(monkeypatch):
  variety, cluster = member("K3 P5[2,2,2]")
  (slice_type,) = slice_types(variety.ambient, variety.degrees)
  frames = samplers.random_frames(variety, (slice_type,), 100, jax.random.key(1), 0)[0]

  def dropped(misses):
    monkeypatch.setattr(homotopy, "_MISSES", misses)
    monkeypatch.setattr(homotopy, "_CORRECTIONS", (200, 400)[: len(misses)])
    solve = lambda frames: homotopy.solve(variety, slice_type, frames)
    z = jax.jit(solve)(frames)
    return dropped_slices(samplers.finish(variety, (slice_type,), z), cluster)

  assert dropped((0.8,)) > 5
  assert dropped((0.8, 0.02)) == 0
