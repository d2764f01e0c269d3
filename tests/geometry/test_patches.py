import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry.varieties import some_points, sparse_variety
from trainer.geometry import fubini_study, patches
from trainer.geometry.patches import Chart


def other_chart(variety, z, dq, rng):
  """Another patch and a chart in it: (z in that patch, patch coordinates, chart)."""
  z, patch, scale = np.array(z), [], np.ones(len(z), complex)
  for s in variety.factor_slices:
    patch.append(int(rng.integers(s.start, s.stop)))
    scale[s] = z[patch[-1]]
  # Minors of dQ change by scales only.
  rest = [i for i in range(len(z)) if i not in patch]
  choices = [
    c
    for c in itertools.combinations(rest, variety.codimension)
    if abs(np.linalg.det(dq[:, c])) > 1e-2
  ]
  eliminated = choices[rng.integers(len(choices))]
  kept = [i for i in rest if i not in eliminated]
  identity = np.eye(len(z))
  return z / scale, patch, Chart(identity[kept], identity[list(eliminated)])


@pytest.mark.parametrize("name", ["quartic", "cubic_pair", "bicubic", "triple"])
def test_charts(name):
  """Normalised points, the best minor, tangent pullbacks, and tensors that do not see the chart."""
  variety = sparse_variety(name)
  rng = np.random.default_rng(2)

  @jax.jit
  @jax.vmap
  def geometry(z, chart):
    pullback = patches.pullback(variety, z, chart)
    dq = patches.gradient(variety, z)
    return (
      pullback,
      patches.omega_squared(variety, z, chart),
      fubini_study.metric(variety, z, pullback),
      dq,
      patches.omega_squared_in_chart(variety, z, dq),
    )

  points = jax.jit(jax.vmap(lambda z: patches.normalise(variety, z)))(2j * some_points(variety, 4))
  charts = jax.jit(jax.vmap(lambda z: patches.choose_chart(variety, z)))(points)
  here = [np.asarray(a) for a in geometry(points, charts)]
  points = np.asarray(points)
  others = [other_chart(variety, z, dq, rng) for z, dq in zip(points, here[3])]
  other_charts = Chart(*(np.stack(part) for part in zip(*(o[2] for o in others))))
  there = [np.asarray(a) for a in geometry(np.stack([o[0] for o in others]), other_charts)]

  for p, z in enumerate(points):
    for s in variety.factor_slices:
      assert np.count_nonzero(z[s] == 1) == 1
      assert np.max(np.abs(z[s])) == 1
    pullback, omega, metric, dq, omega_short = (a[p] for a in here)
    np.testing.assert_allclose(dq @ pullback.T, 0, atol=1e-12 * np.abs(dq).max())

    # The eliminated coordinates are the best of all that avoid the patch coordinates.
    free = [i for i in range(len(z)) if z[i] != 1]
    best = max(
      itertools.combinations(free, variety.codimension), key=lambda c: abs(np.linalg.det(dq[:, c]))
    )
    np.testing.assert_array_equal(np.nonzero(charts.eliminated[p])[1], best)
    np.testing.assert_array_equal(np.nonzero(charts.kept[p])[1], [i for i in free if i not in best])
    np.testing.assert_allclose(omega, abs(np.linalg.det(dq[:, best])) ** -2, rtol=1e-12)
    np.testing.assert_allclose(omega_short, omega, rtol=1e-12)

    # Transition to the other chart: y^b its local coordinates, from z' = z / z[patch].
    _, patch, chart2 = others[p]
    pullback2, omega2, metric2, *_ = (a[p] for a in there)
    scaled = pullback.copy()
    for s, i in zip(variety.factor_slices, patch):
      scaled[:, s] = pullback[:, s] / z[i] - np.outer(pullback[:, i], z[s]) / z[i] ** 2
    jacobian = scaled @ chart2.kept.T  # dy^b/dx^a
    np.testing.assert_allclose(jacobian @ pullback2, scaled, atol=1e-12 * np.abs(scaled).max())
    np.testing.assert_allclose(
      jacobian @ metric2 @ jacobian.conj().T, metric, atol=1e-12 * np.abs(metric).max()
    )
    np.testing.assert_allclose(omega2 * abs(np.linalg.det(jacobian)) ** 2, omega, rtol=1e-12)


def test_charts_carry_no_derivative():
  variety = sparse_variety("cubic_curve")
  z = some_points(variety, 1)[0]

  def depends(x):
    return jnp.sum(patches.choose_chart(variety, jax.lax.complex(x[0], x[1])).kept)

  x = np.stack([z.real, z.imag])
  np.testing.assert_array_equal(jax.jit(jax.grad(depends))(x), 0)


def test_float32_stays_float32():
  variety = sparse_variety("cubic_pair")

  @jax.jit
  def geometry(z):
    chart = patches.choose_chart(variety, z)
    pullback = patches.pullback(variety, z, chart)
    return (
      chart.kept,
      patches.omega_squared(variety, z, chart),
      pullback,
      fubini_study.metric(variety, z, pullback),
    )

  z = some_points(variety, 1)[0].astype(np.complex64)
  types = [a.dtype for a in geometry(z)]
  assert types == [jnp.float32, jnp.float32, jnp.complex64, jnp.complex64]
