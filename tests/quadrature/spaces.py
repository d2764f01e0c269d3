"""Manifolds with metrics known exactly, at points drawn uniformly."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import parallel
from trainer.geometry import fubini_study, sections
from trainer.geometry.sections import SectionBasis
from trainer.quadrature.background import Background, Rows
from trainer.quadrature.functions import Functions


def projective_space(n, num_points, seed=0, num_devices=4):
  """P^n with its Fubini-Study metric of volume 1/n!, points of equal weight."""
  rng = np.random.default_rng(seed)
  z = rng.normal(size=(num_points, n + 1)) + 1j * rng.normal(size=(num_points, n + 1))
  largest = np.argmax(np.abs(z), axis=1)
  z /= z[np.arange(num_points), largest, None]
  pullback = np.stack([np.delete(np.eye(n + 1, dtype=complex), i, axis=0) for i in largest])
  at_point = lambda z, pullback: fubini_study.factor_metrics((n,), z, pullback)[0]
  metric = np.asarray(jax.jit(jax.vmap(at_point))(z, pullback))
  volume = np.full(num_points, 1 / math.factorial(n) / num_points)
  rows = Rows(np.concatenate([z.real, z.imag], 1), pullback, metric, volume, np.ones(num_points))
  return of_rows((n,), rows, 1 / math.factorial(n), num_devices)


def of_rows(ambient, rows, total, num_devices=4, points_per_slice=1):
  """A background of numpy arrays on so many devices."""
  mesh = parallel.make_mesh(jax.devices()[:num_devices])
  rows = parallel.shard_rows(mesh, jax.tree.map(jnp.asarray, rows), len(rows.volume))
  return Background(ambient, rows, len(rows.volume), points_per_slice, total, mesh, 2**28)


def functions_on(n, degree):
  """All f_AB of a degree on P^n."""
  exponents = sections.monomials((n,), (degree,))
  return Functions(
    (n,), SectionBasis(exponents, np.diag(sections.monomial_scales((n,), exponents)))
  )
