"""Metrics as functions of local coordinates u = [Re x, Im x]."""

import jax
import jax.numpy as jnp
import numpy as np

from trainer.curvature import autodiff


def split(u):
  return jax.lax.complex(*jnp.split(u, 2))


def fubini_study(u):
  """d dbar log (1 + |x|^2) on the affine patch of P^n, in closed form."""
  x = split(u)
  r = 1 + jnp.sum(x.real**2 + x.imag**2)
  return jnp.eye(len(x)) / r - jnp.outer(x.conj(), x) / r**2


def product(u):
  """P^1 x P^1, the second three times as large in area."""
  x = split(u)
  r = 1 + x.real**2 + x.imag**2
  return jnp.diag(jnp.array([1.0, 3.0]) / r**2).astype(complex)


def kaehler(u):
  """A Kaehler metric without symmetries, in two dimensions, near the origin."""

  def potential(u):
    x, y = split(u)
    size = x.real**2 + x.imag**2 + 2 * (y.real**2 + y.imag**2)
    bend = (x**2 * y.conj() + (0.5 - 0.3j) * y**2 * x * x.conj()).real
    return size + 0.1 * size**2 + 0.3 * bend + 0.2 * jnp.sin(x.real + 2 * y.imag)

  return autodiff.holomorphic(autodiff.antiholomorphic(potential))(u)


def factor(u):
  """A real function without symmetries."""
  return 0.3 * jnp.sin(u[0] - 0.5 * u[-1]) + 0.2 * u[1] * u[-1] + 0.1 * u[0]


def conformal(u):
  """e^f times `kaehler`, not Kaehler."""
  return jnp.exp(factor(u)) * kaehler(u)


def somewhere(n, seed=0, scale=0.5):
  return jnp.asarray(scale * np.random.default_rng(seed).normal(size=2 * n))


def vectors(n, count, seed=1):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(count, n)) + 1j * rng.normal(size=(count, n))
