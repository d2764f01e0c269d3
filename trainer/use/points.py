"""Points that a user hands in: checked for being on the manifold, where they are numbers."""

from typing import Any
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from trainer.errors import UserError
from trainer.geometry.variety import Variety

# Of |Q_a| relative to its terms' moduli; the metric is as wrong as its points are.
_LARGEST_RESIDUAL = 1e-4


def as_complex(variety: Variety, x: Any) -> jax.Array:
  """Points as complex homogeneous coordinates.

  Args:
    variety: the manifold.
    x: (..., N) complex, or (..., 2N) real, [Re z, Im z], in any scaling.

  Returns:
    (..., N) complex, in the precision of x.

  Raises:
    UserError: wrong shape, or a point that is none of the manifold; not in what JAX traces, where
      numbers are not known.
  """
  n = variety.num_coordinates
  if not isinstance(x, jax.Array):
    x = np.asarray(x)
  if not jnp.issubdtype(x.dtype, jnp.inexact):
    x = x.astype(jnp.result_type(float))
  if x.dtype != jnp.asarray(x).dtype:
    warnings.warn(
      f"points of dtype {x.dtype} are computed with in single precision: call "
      "jax.config.update('jax_enable_x64', True) first",
      stacklevel=3,
    )
  x = jnp.asarray(x)
  length = n if jnp.iscomplexobj(x) else 2 * n
  if not x.ndim or x.shape[-1] != length:
    raise UserError(
      f"points of shape {x.shape} are not of this manifold: give [Re z, Im z], (..., {2 * n}) "
      f"real, or z, (..., {n}) complex"
    )
  z = x if jnp.iscomplexobj(x) else jax.lax.complex(x[..., :n], x[..., n:])
  if not isinstance(z, jax.core.Tracer):
    _check(variety, np.array(z).reshape(-1, n).T)
  return z


def _check(variety, z):
  for i, s in enumerate(variety.factor_slices):
    norms = np.linalg.norm(z[s], axis=0)
    if not np.all(np.isfinite(norms) & (norms > 0)):
      where = int(np.argmin(np.isfinite(norms) & (norms > 0)))
      raise UserError(
        f"point {where} has no place in projective space: the coordinates of factor {i + 1} are "
        f"{z[s, where]}"
      )
    z[s] = z[s] / norms
  for a, q in enumerate(variety.polynomials):
    residual = np.abs(q(z)) / q.absolute()(np.abs(z))
    if np.any(residual > _LARGEST_RESIDUAL):
      where = int(np.argmax(residual))
      raise UserError(
        f"point {where} is not on the manifold: |Q_{a + 1}| is {residual[where]:.2g} of the sum of "
        "its terms' moduli; take points from load_run(workdir).points(n), or chart.point(u)"
      )
