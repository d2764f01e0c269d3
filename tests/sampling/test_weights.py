"""Weights against the definition: coefficients of the determinant of the pulled-back metrics."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry.varieties import some_points, sparse_variety
from trainer.geometry import fubini_study, patches
from trainer.sampling import weights
from trainer.sampling.slices import slice_types


def coefficient(factors, exponents):
  """[prod t_i^{a_i}] det(sum_i t_i g^(i)), by finite Fourier transform over each t_i."""
  n = sum(exponents)
  grids = np.meshgrid(*[np.arange(n + 1)] * len(exponents), indexing="ij")
  angles = np.exp(2j * np.pi * np.stack(grids).reshape(len(exponents), -1) / (n + 1))
  determinants = np.linalg.det(np.einsum("ip,iab->pab", angles, factors))
  return np.mean(determinants * np.prod(angles ** -np.array(exponents)[:, None], axis=0)).real


@pytest.mark.parametrize("name", ["quintic", "cubic_pair", "bicubic", "tetraquadric", "triple"])
def test_weight_is_omega_over_density(name):
  variety = sparse_variety(name)
  types = slice_types(variety.ambient, variety.degrees)
  z = some_points(variety, 3)

  @jax.jit
  @jax.vmap
  def geometry(z):
    chart = patches.choose_chart(variety, z)
    pullback = patches.pullback(variety, z, chart)
    scale = jnp.repeat(
      jnp.exp(jnp.arange(len(variety.ambient)) * 1j) * 1.7,
      jnp.array(variety.ambient) + 1,
      total_repeat_length=z.shape[0],
    )
    return (
      weights.weight(variety, types, z, patches.gradient(variety, z)),
      weights.weight(variety, types, scale * z, patches.gradient(variety, scale * z)),
      patches.omega_squared(variety, z, chart),
      fubini_study.factor_metrics(variety.ambient, z, pullback),
    )

  total = sum(t.num_points for t in types)
  for weight, rescaled, omega, factors in zip(*map(np.asarray, geometry(z))):
    density = 0
    for t in types:
      orders = [n - s for n, s in zip(variety.ambient, t.dimensions)]
      share = t.num_points / total
      density += (
        share * math.prod(map(math.factorial, orders)) * coefficient(factors, orders) / t.num_points
      )
    np.testing.assert_allclose(weight, omega / density, rtol=1e-11)
    np.testing.assert_allclose(rescaled, weight, rtol=1e-12)
