"""A complex curve on the manifold, spread out over the complex plane, coloured by a field.

The points z = a + u b + v c with fixed generic a, b, c are a projective plane; for every u the
polynomial has d roots v. So u in the plane parametrises a curve on the manifold as d sheets. They
are followed continuously along the row through u = 0, then up and down the columns; around a branch
point two sheets change places, so that vertical cuts remain.
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from trainer.geometry.variety import Variety
from trainer.sampling import roots

_EXTENT = 1.5


class SlicePicture(NamedTuple):
  """Attributes:
  u: (H, W) complex, the grid; imaginary parts grow along axis 0, real parts along axis 1.
  sheets: one (H, W) array of the field a sheet; nan where no root was found.
  labels: one short text a sheet.
  """

  u: np.ndarray
  sheets: tuple[np.ndarray, ...]
  labels: tuple[str, ...]


def compute_slice_picture(
  variety: Variety,
  field: Callable[[np.ndarray], np.ndarray],
  *,
  seed: int = 0,
  resolution: int = 80,
) -> SlicePicture | None:
  """Evaluates a field on a curve.

  Args:
    variety: the manifold.
    field: z (B, N) complex128 on the manifold, in any scaling -> (B,).
    seed: determines the curve, that is a, b and c.
    resolution: H = W.

  Returns:
    The picture; None where the manifold needs more than one polynomial.
  """
  if variety.codimension != 1:
    return None
  side = np.linspace(-_EXTENT, _EXTENT, resolution)
  u = side + 1j * side[:, None]
  z = curve(variety, u, seed)
  points = z.reshape(-1, variety.num_coordinates)
  good = np.all(np.isfinite(points), axis=-1)
  # A point without root is evaluated at its neighbour's place, so that all shapes stay fixed.
  values = np.array(field(np.where(good[:, None], points, points[good.argmax()])))
  chex.assert_shape(values, (len(points),))
  sheets = np.where(good, values, np.nan).reshape(z.shape[:-1])
  return SlicePicture(u, tuple(sheets), tuple(f"sheet {i + 1}" for i in range(len(sheets))))


def curve(variety: Variety, u: np.ndarray, seed: int) -> np.ndarray:
  """The points of the curve over the grid u (H, W): (d, H, W, N) complex128, sheet by sheet.

  v moves in the factor in which the polynomial has the highest degree d, u in every factor.
  """
  (polynomial,), degrees = variety.polynomials, [row[0] for row in variety.degrees]
  degree = max(degrees)
  moving = variety.factor_slices[degrees.index(degree)]
  a, b, c = (part[:, None] for part in _generic(variety, moving, seed))
  base = jnp.asarray(a + u.ravel() * b)

  def value(v: jax.Array) -> jax.Array:  # (d + 1, 1) -> (d + 1, H W)
    return polynomial(base[:, None] + c[:, None] * v)

  v = roots.all_roots(roots.interpolate(value, degree, u.size))
  v = _follow(np.asarray(v).reshape(degree, *u.shape))
  return np.moveaxis(np.asarray(base).reshape(-1, 1, *u.shape) + c[:, None, None] * v, 0, -1)


def _generic(variety: Variety, moving: slice, seed: int) -> np.ndarray:
  """Random a, b, c (3, N), orthonormal in each factor as far as it has room; c moves one factor."""
  rng = np.random.default_rng(seed)
  vectors = np.zeros((3, variety.num_coordinates), complex)
  for s in variety.factor_slices:
    size = s.stop - s.start
    gaussian = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    rows = np.linalg.qr(gaussian)[0][:3]
    vectors[: len(rows), s] = rows
  if moving.stop - moving.start == 2:  # A projective line: v alone moves there.
    vectors[:, moving] = vectors[[0, 2, 1], moving]
  vectors[2, : moving.start] = 0
  vectors[2, moving.stop :] = 0
  return vectors


def _follow(v: np.ndarray) -> np.ndarray:
  """Orders the roots (d, H, W) into sheets, outwards from the centre."""
  v = v.copy()
  middle = v.shape[1] // 2
  v[:, middle] = _follow_outwards(v[:, middle, :, None])[..., 0]
  return _follow_outwards(v)


def _follow_outwards(v: np.ndarray) -> np.ndarray:
  """Orders v (d, L, B) along axis 1, starting in the middle, each of the B lines on its own."""
  v = v.copy()
  middle = v.shape[1] // 2
  for i in range(middle + 1, v.shape[1]):
    v[:, i] = _match(v[:, i - 1], v[:, i])
  for i in range(middle - 1, -1, -1):
    v[:, i] = _match(v[:, i + 1], v[:, i])
  return v


def _match(previous: np.ndarray, v: np.ndarray) -> np.ndarray:
  """Reorders v (d, B) so that each root is next to its previous place, closest pairs first."""
  d, batch = v.shape
  distance = np.nan_to_num(np.abs(previous[:, None] - v[None]), nan=np.finfo(float).max)
  lines, matched = np.arange(batch), np.empty_like(v)
  for _ in range(d):
    i, j = np.unravel_index(distance.reshape(d * d, batch).argmin(0), (d, d))
    matched[i, lines] = v[j, lines]
    distance[i, :, lines] = np.inf
    distance[:, j, lines] = np.inf
  return matched
