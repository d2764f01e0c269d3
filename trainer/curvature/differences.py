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
from trainer.devices import parallel
from trainer.geometry import fubini_study, hermitian, patches, topology
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


class Neighbours(NamedTuple):
  """Where a metric is asked for: at points, then at 4 n^2 places around each.

  Attributes:
    z: (B, 1 + 4 n^2, N) complex, constant coordinates 1.
    charts: arrays (B, ...), the chart of each point, which is that of its neighbours too.
    frame: (B, n, n) complex, vectors [i, a] of length 1 in the Fubini-Study metric.
  """

  z: jax.Array
  charts: patches.Chart
  frame: jax.Array


def neighbours(variety: Variety, z: jax.Array) -> Neighbours:
  """All that `derivatives` asks for around points z (B, N), in the charts that choose_chart picks.

  In float64 errors of the curvature at a point are some 1e-7 of its largest component, 1e-6 where
  the metric bends sharply; in float32 they are per cents.
  """
  n = variety.dimension
  chex.assert_shape(z, (None, variety.num_coordinates))
  step = _step(variety, z.real.dtype)

  def at(z):
    z = patches.normalise(variety, z)
    chart = patches.choose_chart(variety, z)
    pullback = patches.pullback(variety, z, chart)
    frame = contractions.unitary_frame(fubini_study.metric(variety, z, pullback))
    moves = np.concatenate([np.zeros((1, n)), np.kron(_lines(n), _NODES[:, None])])
    return Neighbours(z + (step * moves).astype(z.dtype) @ (frame @ pullback), chart, frame)

  return jax.vmap(at)(z)


def derivatives(variety: Variety, frame: jax.Array, g: jax.Array) -> Derivatives:
  """The derivatives of a metric from its values at `neighbours`.

  Args:
    variety: the variety.
    frame: (B, n, n), theirs.
    g: (B, 1 + 4 n^2, n, n) complex.
  """
  n = variety.dimension
  lines = _lines(n)
  chex.assert_shape([frame, g], [(None, n, n), (len(frame), 1 + 4 * n * n, n, n)])
  step, here = _step(variety, g.real.dtype), g[:, 0]
  near = (g[:, 1:] - g[:, :1]).reshape(-1, n * n, len(_NODES), n, n)
  along = jnp.einsum("k,blkxy->blxy", _NODES.conj() / (4 * step), near[:, :n])
  bent = jnp.einsum("cdl,blkxy->bcdxy", _polarisation(lines) / (4 * step**2), near)
  back = jnp.linalg.inv(frame)  # d_a = back[a, i] e_i
  return Derivatives(
    here,
    jnp.einsum("bai,bixy->baxy", back, along),
    jnp.einsum("bci,bdj,bijxy->bcdxy", back, back.conj(), bent),
  )


def of_metric(variety: Variety, metric: Callable[[Batch], jax.Array], batch: Batch) -> Derivatives:
  """All of it in one function of JAX.

  Args:
    variety: the variety.
    metric: B' points -> g, packed (n * n, B') as in trainer.geometry.hermitian.
    batch: B points in the charts of trainer.geometry.patches.choose_chart.
  """
  around = neighbours(variety, jax.lax.complex(*jnp.split(batch.x, 2, axis=1)))
  z, charts = in_one(around)
  rows = batches.prepare(variety, z, jnp.ones(len(z), z.real.dtype), charts)
  g = hermitian.unpack(metric(rows))
  return derivatives(variety, around.frame, g.reshape(*around.z.shape[:2], *g.shape[1:]))


def in_one(around: Neighbours) -> tuple[jax.Array, patches.Chart]:
  """All places (B (1 + 4 n^2), N) in a row, and their charts."""
  count = around.z.shape[1]
  charts = jax.tree.map(lambda a: a.repeat(count, axis=0), around.charts)
  return around.z.reshape(-1, around.z.shape[2]), charts


def riemann(at: Derivatives) -> jax.Array:
  """R_{a bbar c dbar}, (B, n, n, n, n) complex, as in trainer.curvature.autodiff.riemann."""
  raised = contractions.inverse(at.metric)
  square = jnp.einsum("zpq,zcaq,zdbp->zabcd", raised, at.slopes, at.slopes.conj())
  return square - jnp.moveaxis(at.second, (1, 2), (3, 4))


def christoffel(at: Derivatives) -> jax.Array:
  """Gamma^k_{m l} = g^{k sbar} d_m g_{l sbar}, (B, n, n, n) complex [k, m, l]."""
  return jnp.einsum("zks,zmls->zkml", contractions.inverse(at.metric), at.slopes)


def _step(variety, dtype):
  """h: rounding over h^2, and h^2 itself, in units of a sphere's radius, lose the least."""
  volume = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  radius = volume ** (1 / (2 * variety.dimension)) / math.sqrt(4 * math.pi)
  rounding = max(float(jnp.finfo(d).eps) for d in (dtype, parallel.widest_dtype()))
  return radius / 2 * rounding**0.25


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
