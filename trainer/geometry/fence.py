"""A fence that XLA on processors respects: what is behind it is computed once."""

from __future__ import annotations

from typing import TypeVar

import jax
from jax.experimental.xla_metadata import set_xla_metadata

T = TypeVar("T")

_barrier = jax.jit(jax.lax.optimization_barrier, inline=False)


def fence(x: T) -> T:
  """Arrays, to be computed once and kept in memory.

  XLA fuses elementwise stages into their consumers and recomputes them for each. On processors it
  drops optimisation barriers before it fuses, but does not fuse across a call that stays one.
  """
  with set_xla_metadata(inlineable="false"):
    return _barrier(x)
