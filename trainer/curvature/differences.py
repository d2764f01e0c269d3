"""Connection and curvature of any metric at points of a variety, by differences of its values.

For networks of which nothing but g is known, and which autodiff to fourth order would take minutes
to compile. Derivatives d_c dbar_d along the variety see of it only its tangent space at the point:
z moves straight on, where g is what its formulas make of it. Along one complex line v

  d_v dbar_v g = (g(h v) + g(-h v) + g(i h v) + g(-i h v) - 4 g(0)) / 4 h^2 + O(h^2),

and n^2 lines give all d_c dbar_d g, of a metric that is not Kaehler too.
"""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.curvature import contractions
from trainer.geometry import hermitian, patches, topology
from trainer.geometry.variety import Variety
from trainer.points import batch as batches
from trainer.points.batch import Batch

# Of a line, times h.
_NODES = np.array([1, -1, 1j, -1j])


class Derivatives(NamedTuple):
  """A metric and its derivatives at points, in the local coordinates of each.

  Attributes:
    metric: (B, n, n) complex, [a, b] = g_{a bbar}.
    slopes: (B, n, n, n) complex, [c, a, b] = d_c g_{a bbar}.
    second: (B, n, n, n, n) complex, [c, d, a, b] = d_c dbar_d g_{a bbar}.
  """

  metric: jax.Array
  slopes: jax.Array
  second: jax.Array


def derivatives(
  variety: Variety, metric: Callable[[Batch], jax.Array], batch: Batch
) -> Derivatives:
  """All of it, from 1 + 4 n^2 values of the metric a point.

  Errors are about 1e-7 of what curvature of the size of the variety would make, in float64.

  Args:
    variety: the variety.
    metric: B' points -> g, packed (n * n, B') as in trainer.geometry.hermitian.
    batch: B points in the charts of trainer.geometry.patches.choose_chart.
  """
  n, size = variety.dimension, variety.num_coordinates
  chex.assert_shape(batch.x, (None, 2 * size))
  count, dtype = batch.x.shape[0], batch.x.dtype
  z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
  charts = jax.vmap(lambda z: patches.choose_chart(variety, z))(z)
  frame = contractions.unitary_frame(hermitian.unpack(batch.fubini_study.T))
  lines = _lines(n)
  volume = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  # Rounding over the step's square and the step's square, in units of the radius of a sphere of
  # this size, lose the least; metrics bend more sharply than the sphere.
  radius = volume ** (1 / (2 * n)) / math.sqrt(4 * math.pi)
  step = radius / 2 * float(jnp.finfo(dtype).eps) ** 0.25

  moves = np.concatenate([np.zeros((1, n)), *(step * _NODES[:, None] * v for v in lines)])
  around = z[:, None] + moves.astype(z.dtype) @ (frame @ batch.pullback)
  repeat = lambda a: jnp.repeat(a, len(moves), axis=0)
  rows = batches.prepare(
    variety,
    around.reshape(-1, size),
    jnp.ones(count * len(moves), dtype),
    jax.tree.map(repeat, charts),
  )
  g = hermitian.unpack(metric(rows)).reshape(count, len(moves), n, n)
  here, near = g[:, 0], g[:, 1:].reshape(count, len(lines), len(_NODES), n, n)
  near = near - here[:, None, None]
  along = jnp.einsum("k,blkxy->blxy", _NODES.conj() / (4 * step), near[:, :n])
  bent = jnp.einsum("cdl,blkxy->bcdxy", _polarisation(lines) / (4 * step**2), near)
  back = jnp.linalg.inv(frame)  # d_a = back[a, i] e_i
  return Derivatives(
    here,
    jnp.einsum("bai,bixy->baxy", back, along),
    jnp.einsum("bci,bdj,bijxy->bcdxy", back, back.conj(), bent),
  )


def riemann(at: Derivatives) -> jax.Array:
  """R_{a bbar c dbar}, (B, n, n, n, n) complex, as in trainer.curvature.autodiff.riemann."""
  raised = contractions.inverse(at.metric)
  square = jnp.einsum("zpq,zcaq,zdbp->zabcd", raised, at.slopes, at.slopes.conj())
  return square - jnp.moveaxis(at.second, (1, 2), (3, 4))


def christoffel(at: Derivatives) -> jax.Array:
  """Gamma^k_{m l} = g^{k sbar} d_m g_{l sbar}, (B, n, n, n) complex [k, m, l]."""
  return jnp.einsum("zks,zmls->zkml", contractions.inverse(at.metric), at.slopes)


def _lines(n):
  """n^2 unit vectors v, (n^2, n): their forms v_c conj(v_d) span the Hermitian ones."""
  e = np.eye(n)
  pairs = [(a, b) for a in range(n) for b in range(a + 1, n)]
  between = [(e[a] + unit * e[b]) / math.sqrt(2) for unit in (1, 1j) for a, b in pairs]
  return np.array([*e, *between])


def _polarisation(lines):
  """(n, n, n^2): coefficients of d_c dbar_d among the d_v dbar_v."""
  n = lines.shape[1]
  forms = (lines[:, :, None] * lines[:, None].conj()).reshape(n * n, n * n)
  return np.linalg.inv(forms).reshape(n, n, n * n)
