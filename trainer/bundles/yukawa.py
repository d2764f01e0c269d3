"""Yukawa couplings of three line bundles whose product is trivial, on a threefold.

  lambda_abc = integral of Omega ^ nu_a ^ nu_b ^ nu_c,   G_ab = integral of <nu_a, nu_b> dvol:

lambda, written as the integral of Omega(e) det(nu(conj(e))) dvol in a unitary frame, depends on
classes only, G on metrics, and y = lambda / (|Omega| sqrt(G G G)), |Omega|^2 = integral |Omega|^2,
is physical up to one factor: fields are canonical after nu -> L^-1 nu, G = L L^*. The Poincare
residue needs no chart: with v the rows z^(i), each among zeros, J_a and conj(dQ_b),

  Omega(J_1, .., J_n) = det v / det(dQ_a . conj(dQ_b)).
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.curvature import contractions
from trainer.devices import parallel
from trainer.geometry import patches
from trainer.geometry.small import determinant
from trainer.geometry.variety import Variety
from trainer.quadrature.background import Background, Rows

# Groups of slices of the jackknife.
_GROUPS = 50


class Couplings(NamedTuple):
  """Couplings of forms nu_a, nu_b, nu_c.

  Attributes:
    holomorphic: lambda (R_1, R_2, R_3) complex.
    physical: y (R_1, R_2, R_3) complex, in bases of canonical fields.
    masses: (R_1, min(R_2, R_3)) singular values of y_abc for principal a: those of the first
      bundle's fields that couple most, descending.
  """

  holomorphic: np.ndarray
  physical: np.ndarray
  masses: np.ndarray


def omega(variety: Variety, background: Background) -> np.ndarray:
  """Omega(e_1, .., e_n) (B,) complex in a unitary frame, on every process."""
  found = background.at_points(_omega(variety))
  return np.asarray(parallel.gather_rows(found))[: background.num_points]


def groups(background: Background) -> np.ndarray:
  """Of which group of slices a point is, (B,): groups are what errors are estimated from."""
  slices = np.arange(background.num_points) // background.points_per_slice
  return slices * min(_GROUPS, slices[-1] + 1) // (slices[-1] + 1)


def matter_metrics(nu: np.ndarray, volume: np.ndarray, group: np.ndarray) -> np.ndarray:
  """Sums over groups of volume <nu_a, nu_b>, (G, R, R) complex, of forms (B, R, n)."""
  return _group_sums(lambda i: np.einsum("p,pai,pbi->ab", volume[i], nu[i], nu[i].conj()), group)


def couplings(
  omega: np.ndarray, nu: Sequence[np.ndarray], volume: np.ndarray, group: np.ndarray
) -> np.ndarray:
  """Sums over groups of volume Omega det(nu_a, nu_b, nu_c), (G, R_1, R_2, R_3) complex."""
  chex.assert_shape(nu, (len(volume), None, 3))

  def sums(i):
    a, b, c = (part[i] for part in nu)
    crossed = np.cross(b[:, :, None], c[:, None, :])
    return np.einsum("p,pai,pbci->abc", volume[i] * omega[i], a, crossed)

  return _group_sums(sums, group)


def physical(holomorphic: np.ndarray, metrics: Sequence[np.ndarray], size: float) -> Couplings:
  """Canonical fields.

  Args:
    holomorphic: lambda (R_1, R_2, R_3).
    metrics: G (R_i, R_i) of each bundle.
    size: integral of |Omega|^2.
  """
  y = holomorphic / size**0.5
  for axis, g in enumerate(metrics):
    inverse = np.linalg.inv(np.linalg.cholesky(g))
    y = np.moveaxis(np.tensordot(inverse, y, (1, axis)), 0, axis)
  u = np.linalg.svd(y.reshape(len(y), -1), full_matrices=False)[0]
  masses = np.linalg.svd(np.einsum("ap,abc->pbc", u.conj(), y), compute_uv=False)
  return Couplings(holomorphic, y, masses)


def measured(function, *sums: np.ndarray) -> tuple[Any, Any]:
  """A function of means and its standard error, by the jackknife over groups.

  Args:
    function: of one array for each of sums, a sum over all groups -> a pytree of arrays.
    sums: (G, ...), sums over groups.

  Returns:
    Values, and standard errors of their shapes; of complex ones those of |error|.
  """
  count = len(sums[0])
  total = [np.sum(s, axis=0) for s in sums]
  without = [
    function(*((t - s[g]) * count / (count - 1) for t, s in zip(total, sums))) for g in range(count)
  ]

  def error(*parts):
    off = np.array(parts) - np.mean(parts, axis=0)
    return np.sqrt((count - 1) / count * np.sum(np.abs(off) ** 2, axis=0))

  return function(*total), jax.tree.map(error, *without)


def _group_sums(of_rows, group):
  edges = np.searchsorted(group, np.arange(group[-1] + 2))
  return np.array([of_rows(slice(*edge)) for edge in zip(edges[:-1], edges[1:], strict=True)])


@functools.lru_cache(maxsize=16)
def _omega(variety):
  def at_point(z, pullback, frame):
    dq = patches.gradient(variety, z)
    euler = np.zeros((len(variety.ambient), variety.num_coordinates))
    for i, s in enumerate(variety.factor_slices):
      euler[i, s] = 1
    rows = jnp.concatenate([euler * z, frame @ pullback, dq.conj()])
    return jnp.linalg.det(rows) / determinant(dq @ dq.conj().T)

  def values(_, rows: Rows):
    z = jax.lax.complex(*jnp.split(rows.x, 2, axis=1))
    return jax.vmap(at_point)(z, rows.pullback, contractions.unitary_frame(rows.metric))

  return values
