"""What the machine has: memory of its devices, cores and caches of its processors."""

import math
import os

import jax

# What a core of a processor keeps in its caches, in bytes.
_CACHE = 2**22


def default_memory() -> int:
  """Bytes of a device for intermediate results.

  Half of an accelerator's memory, or of the host's a quarter shared by its CPU devices.
  """
  statistics = jax.local_devices()[0].memory_stats()
  if statistics and "bytes_limit" in statistics:
    return statistics["bytes_limit"] // 2
  host = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  return host // 4 // jax.local_device_count()


def cache_memory() -> float:
  """Bytes of results that stay at hand: a processor's caches, shared by its CPU devices."""
  if jax.default_backend() != "cpu":
    return math.inf
  return max(_CACHE, _CACHE * num_cores() / jax.local_device_count())


def num_cores() -> int:
  """The processor cores this process may use."""
  return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
