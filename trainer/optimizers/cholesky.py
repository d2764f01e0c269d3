"""A positive definite system that no device holds or factors alone: A = L L^T over the mesh.

  w    width of a panel of columns; panel k is on device k mod D, in its place k div D
  K    panels, n = K w rows, M = ceil(K / D) places a device

Panel after panel is sent to all devices (n w numbers), which take it from the panels that are
theirs: 2 n^2 w / D flops each. Rows above the panels that are left are dropped in a few stages, in
all about n^3 / D flops where one device alone takes n^3 / 3.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from trainer.devices import parallel

# Wide panels are fast, narrow ones occupy more devices.
WIDEST, _NARROWEST = 128, 32
# Fewer unknowns are solved faster than panels are sent, and fewer devices gain nothing.
_WORTHWHILE, _FEWEST = 2048, 8
_STAGES = 4


class Layout(NamedTuple):
  """How a matrix lies on the devices.

  Attributes:
    size: its rows.
    devices: D.
    width: w.
  """

  size: int
  devices: int
  width: int

  @property
  def panels(self) -> int:
    """K."""
    return -(-self.size // self.width)

  @property
  def places(self) -> int:
    """M."""
    return -(-self.panels // self.devices)

  @property
  def rows(self) -> int:
    """n, of which the last, beyond `size`, are those of the identity."""
    return self.panels * self.width


def layout(size: int, devices: int) -> Layout | None:
  """How to spread a matrix (size, size); None where one device should do all of it."""
  width = min(max(-(-size // devices), _NARROWEST), WIDEST)
  made = Layout(size, devices, width)
  # More than half of the devices have panels.
  worthwhile = size >= _WORTHWHILE and _FEWEST <= devices <= 2 * made.panels
  return made if worthwhile else None


def flops(size: int, devices: int) -> float:
  """Floating-point operations of each device to factor a matrix (size, size)."""
  made = layout(size, devices)
  if made is None:
    return size**3 / 3
  total, per_stage = 0.0, -(-made.places // _STAGES)
  for first in range(0, made.places, per_stage):
    steps = min(per_stage * devices, made.panels - first * devices)
    rows = made.rows - first * devices * made.width
    total += steps * rows * made.width**2 * (2 * (made.places - first) + 1)
  return total


def spread(part: jax.Array, made: Layout) -> jax.Array:
  """The sum over devices of symmetric matrices (size, size): this device's columns (n, M w)."""
  chex.assert_shape(part, (made.size, made.size))
  slots = made.places * made.devices * made.width
  padded = jnp.pad(part, ((0, made.rows - made.size), (0, slots - made.size)))
  split = padded.reshape(made.rows, made.places, made.devices, made.width)
  columns = parallel.psum_scatter(split.transpose(2, 0, 1, 3)).reshape(made.rows, -1)
  return columns + _diagonal(made, jnp.arange(made.rows) >= made.size, part.dtype)


def add_diagonal(columns: jax.Array, made: Layout, values: jax.Array) -> jax.Array:
  """A + diag(values), values (size,)."""
  return columns + _diagonal(made, jnp.pad(values, (0, made.rows - made.size)), columns.dtype)


def diagonal(columns: jax.Array, made: Layout) -> jax.Array:
  """diag A (size,), on every device."""
  own = jnp.sum(columns * _diagonal(made, jnp.ones(made.rows), columns.dtype), axis=0)
  slots = parallel.all_gather(own.reshape(1, made.places, made.width)).transpose(1, 0, 2)
  return slots.reshape(-1)[: made.size]


def square(columns: jax.Array, made: Layout, x: jax.Array) -> jax.Array:
  """x^T A x of x (size,), on every device."""
  padded = jnp.pad(x, (0, made.rows - made.size))
  return parallel.psum((padded @ columns) @ _own(padded, made, made.places))


def solve(columns: jax.Array, made: Layout, b: jax.Array) -> jax.Array:
  """A^{-1} b (size,), on every device; not finite where A is not positive definite."""
  y = jnp.pad(b, (0, made.rows - made.size))
  stages, left = [], columns
  per_stage = -(-made.places // _STAGES)
  for first in range(0, made.places, per_stage):
    # Panels and rows before this place are done.
    start = first * made.devices * made.width
    count = min(per_stage, made.places - first)
    steps = min(count * made.devices, made.panels - first * made.devices)
    factored, below = _factor(left, made, y[start:], steps)
    y = y.at[start:].set(below)
    stages.append((start, steps, factored[:, : count * made.width]))
    left = factored[count * made.devices * made.width :, count * made.width :]
  for start, steps, factored in reversed(stages):
    y = y.at[start:].set(_back(factored, made, y[start:], steps))
  return y[: made.size]


def _factor(columns, made, y, steps):
  """The first `steps` panels of what is left of A become those of L, and y becomes L^{-1} y."""
  width, devices = made.width, made.devices
  me, places = parallel.device_index(), columns.shape[1] // width
  row = jnp.arange(len(columns))
  panel_of_column = jnp.arange(columns.shape[1]) // width * devices + me

  def step(k, carry):
    columns, y = carry
    here, at, mine = k // devices * width, k * width, k % devices == me
    own = jax.lax.dynamic_slice_in_dim(columns, here, width, axis=1)
    panel = parallel.psum(jnp.where(mine, own, 0.0))
    lower = jnp.linalg.cholesky(jax.lax.dynamic_slice_in_dim(panel, at, width))
    panel = solve_triangular(lower, panel.T, lower=True).T
    panel = jnp.where(row[:, None] >= at, panel, 0.0)
    done = solve_triangular(lower, jax.lax.dynamic_slice_in_dim(y, at, width), lower=True)
    y = y - jnp.where(row >= at + width, panel @ done, 0.0)
    y = jax.lax.dynamic_update_slice_in_dim(y, done, at, 0)
    factors = jnp.where((panel_of_column > k)[:, None], _own(panel, made, places), 0.0)
    columns = columns - panel @ factors.T
    kept = jnp.where(mine, panel, jax.lax.dynamic_slice_in_dim(columns, here, width, axis=1))
    return jax.lax.dynamic_update_slice_in_dim(columns, kept, here, 1), y

  return jax.lax.fori_loop(0, steps, step, (columns, y))


def _back(columns, made, y, steps):
  """L^{-T} y for the columns of L of one stage, where what is below them is done."""
  width, devices = made.width, made.devices
  me, row = parallel.device_index(), jnp.arange(len(y))

  def step(count, y):
    k = steps - 1 - count
    at = k * width
    panel = jax.lax.dynamic_slice_in_dim(columns, k // devices * width, width, axis=1)
    below = jnp.where(row >= at + width, y, 0.0) @ panel
    here = jax.lax.dynamic_slice_in_dim(y, at, width) - below
    lower = jax.lax.dynamic_slice_in_dim(panel, at, width)
    own = solve_triangular(lower, here, lower=True, trans=1)
    done = parallel.psum(jnp.where(k % devices == me, own, 0.0))
    return jax.lax.dynamic_update_slice_in_dim(y, done, at, 0)

  return jax.lax.fori_loop(0, steps, step, y)


def _own(rows, made, places):
  """Of rows (K w, ...) those (M w, ...) with the numbers of this device's columns."""
  slots = places * made.devices * made.width
  padded = jnp.pad(rows, [(0, slots - len(rows))] + [(0, 0)] * (rows.ndim - 1))
  blocks = padded.reshape(places, made.devices, made.width, *rows.shape[1:])
  own = jax.lax.dynamic_index_in_dim(blocks, parallel.device_index(), 1, keepdims=False)
  return own.reshape(-1, *rows.shape[1:])


def _diagonal(made, values, dtype):
  """diag(values) (n,) as columns."""
  own = _own(jnp.arange(made.rows) + 1, made, made.places) - 1  # -1: no column.
  here = jnp.arange(made.rows)[:, None] == own
  return jnp.where(here, jnp.asarray(values, dtype)[:, None], 0)
