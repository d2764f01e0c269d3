"""Timing on a machine that other people use too: alternate, repeat, report medians and spreads."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# Untimed calls before a timed one, if a call is shorter than so many seconds.
_UNTIMED, _LONG = 4, 1.0


class Timing(NamedTuple):
  """Seconds of a call: median, and the quartiles that 'spread' is read from."""

  median: float
  low: float
  high: float
  rounds: int

  def scaled(self, factor: float, suffix: str) -> dict[str, float]:
    """As JSON: {suffix: median, suffix_low, suffix_high} times a factor."""
    return {
      suffix: self.median * factor,
      f"{suffix}_low": self.low * factor,
      f"{suffix}_high": self.high * factor,
    }


def alternate(functions: dict[str, Callable[[], Any]], seconds: float) -> dict[str, Timing]:
  """Times functions in turns, so that a change in the machine's load meets all of them.

  Args:
    functions: by name, each a call that returns jax arrays. The first call, which compiles, is not
      timed.
    seconds: how long to go on; every function runs at least three times.

  Returns:
    The timings by name.
  """
  for function in functions.values():
    jax.block_until_ready(function())
  samples = {name: [] for name in functions}
  begin = time.perf_counter()
  while min(map(len, samples.values())) < 3 or time.perf_counter() - begin < seconds:
    for name, function in functions.items():
      # Steps follow each other in training: not timed right after somebody else's memory traffic,
      # which long calls forget by themselves.
      if not samples[name] or samples[name][-1] < _LONG:
        for _ in range(_UNTIMED):
          jax.block_until_ready(function())
      start = time.perf_counter()
      jax.block_until_ready(function())
      samples[name].append(time.perf_counter() - start)
  return {
    name: Timing(*np.percentile(times, [50, 25, 75]).tolist(), len(times))
    for name, times in samples.items()
  }


def matmul(dtype: jnp.dtype, size: int = 1024) -> tuple[Callable[[], jax.Array], float]:
  """A square matmul to time beside other things, and its number of floating-point operations."""
  a = jax.random.normal(jax.random.key(0), (size, size), dtype)
  product = jax.jit(jnp.matmul)
  return lambda: product(a, a), 2.0 * size**3
