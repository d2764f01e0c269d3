"""How fast this machine is, measured: what predictions of a run's time are made from."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Side of the matrices that are multiplied: large enough for the full rate of a processor.
_SIZE = {"cpu": 1024}
_LARGE = 8192
_ROUNDS = 5
# Seconds that compiling `_program` takes on the machine that times are quoted for.
_REFERENCE = 0.5


class Speed(NamedTuple):
  """What the devices do in a second.

  Attributes:
    flops: float32 operations a second in large matrix products, of all devices together.
    slowness: how many times longer programs compile than on the machine that constants of time were
      measured on.
  """

  flops: float
  slowness: float


def measure(num_devices: int) -> Speed:
  """Times products of matrices and one compilation, in about a second.

  Args:
    num_devices: how many devices, alike, do the work; CPU devices of one host share its cores.
  """
  size = _SIZE.get(jax.default_backend(), _LARGE)
  a = jnp.full((size, size), 1 / size, jnp.float32)
  multiply = jax.jit(lambda a: a @ a)
  jax.block_until_ready(multiply(a))
  seconds = []
  for _ in range(_ROUNDS):
    tick = time.monotonic()
    jax.block_until_ready(multiply(a))
    seconds.append(time.monotonic() - tick)
  # The best of all: another program is not the machine's fault.
  rate = 2 * size**3 / min(seconds)
  share = jax.process_count() if jax.default_backend() == "cpu" else num_devices
  return Speed(rate * share, _compile_seconds() / _REFERENCE)


def _compile_seconds() -> float:
  def program(x):
    for i in range(40):
      x = jnp.sin(x) * (x[::-1] + i)
      x = x - jnp.mean(x) * jnp.linalg.norm(x)
    return x

  tick = time.monotonic()
  jax.jit(program).lower(jnp.ones(64)).compile()
  return time.monotonic() - tick
