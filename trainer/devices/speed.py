"""How fast this machine is, measured: what predictions of a run's time are made from."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

# Sides of the matrices that are multiplied: large enough for a processor's full rate, and others'.
_SIZE, _LARGE = 1024, 8192
_ROUNDS = 5
# Seconds of one compilation at slowness 1.
_REFERENCE = 0.5


class Speed(NamedTuple):
  """What the devices do in a second.

  Attributes:
    flops: float32 operations a second in large matrix products, of all devices together.
    slowness: how many times longer a program compiles than half a second.
    bfloat16: as flops, of products that are rounded to bfloat16 and summed in float32.
  """

  flops: float
  slowness: float
  bfloat16: float


def measure(num_devices: int) -> Speed:
  """Times products of matrices and one compilation, in about a second.

  Args:
    num_devices: how many devices, alike, do the work; CPU devices of one host share its cores.
  """
  on_cpu = jax.default_backend() == "cpu"
  size = _SIZE if on_cpu else _LARGE
  shares = jax.process_count() if on_cpu else num_devices
  rate = lambda dtype: shares * 2 * size**3 / _product_seconds(size, dtype)
  return Speed(rate(jnp.float32), _compile_seconds() / _REFERENCE, rate(jnp.bfloat16))


def _product_seconds(size: int, dtype: jnp.dtype) -> float:
  a = jnp.full((size, size), 1 / size, dtype)
  multiply = jax.jit(lambda a: jnp.matmul(a, a, preferred_element_type=jnp.float32))
  jax.block_until_ready(multiply(a))
  seconds = []
  for _ in range(_ROUNDS):
    tick = time.monotonic()
    jax.block_until_ready(multiply(a))
    seconds.append(time.monotonic() - tick)
  # The best of all: another program is not the machine's fault.
  return min(seconds)


def _compile_seconds() -> float:
  def program(x):
    for i in range(40):
      x = jnp.sin(x) * (x[::-1] + i)
      x = x - jnp.mean(x) * jnp.linalg.norm(x)
    return x

  tick = time.monotonic()
  jax.jit(program).lower(jnp.ones(64)).compile()
  return time.monotonic() - tick
