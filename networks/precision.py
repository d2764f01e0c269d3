"""The precision of a network's matmuls: one setting for all layers, full unless asked otherwise.

  with precision.matmuls("bfloat16"):
    step = jax.jit(...)  # traced inside

Reduced precision rounds both factors of every layer's matmul, forwards and backwards, and
accumulates in float32: what tensor cores do. Factors are rounded on every device, so that one
without such units computes the same numbers, at no gain. Sums, activations, geometry and constant
matrices are never rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import contextvars

import chex
import jax
from jax.experimental import layout
import jax.numpy as jnp

from networks import reverse

PRECISIONS = ("float32", "tf32", "bfloat16")

_current = contextvars.ContextVar("matmul_precision", default="float32")


def check(name: str) -> None:
  """Raises ValueError for an unknown precision."""
  if name not in PRECISIONS:
    raise ValueError(f"unknown matmul precision {name!r}: choose one of {', '.join(PRECISIONS)}")


@contextlib.contextmanager
def matmuls(name: str) -> Iterator[None]:
  """Sets the precision of `matmul` in what is traced inside; ValueError for an unknown one."""
  check(name)
  token = _current.set(name)
  try:
    yield
  finally:
    _current.reset(token)


def matmul(x: chex.Array, w: chex.Array) -> chex.Array:
  """(B, F) times (F, F') at the precision that is set."""
  chex.assert_rank([x, w], 2)
  name = _current.get()
  return exact_matmul(x, w) if name == "float32" else _matmul(name, x, w)


def tall_matmul(x: chex.Array, w: chex.Array) -> chex.Array:
  """`matmul` for many rows that lie in memory as such, with a faster reverse pass."""
  chex.assert_rank([x, w], 2)
  return _matmul(_current.get(), x, w)


def exact_matmul(x: chex.Array, w: chex.Array) -> chex.Array:
  """(B, F) times (F, F') in the precision of the factors, which accelerators do not default to."""
  return jnp.matmul(x, w, precision=jax.lax.Precision.HIGHEST)


def stored(x: chex.Array) -> chex.Array:
  """Single precision in bfloat16 where that is set, half the memory; `product` takes it."""
  rounds = _current.get() == "bfloat16" and x.dtype == jnp.float32
  return x.astype(jnp.bfloat16) if rounds else x


def product(x: chex.Array, w: chex.Array) -> chex.Array:
  """(B, F) times (F, F') in the precision that x is stored in, sums in single at least."""
  if x.dtype == jnp.bfloat16:
    return jnp.matmul(x, w.astype(x.dtype), preferred_element_type=jnp.float32)
  return exact_matmul(x, w)


def transposed_product(x: chex.Array, w: chex.Array) -> chex.Array:
  """x^T w, (B, F) and (B, F') -> (F, F'), as `product`, in the precision that w is stored in."""
  if w.dtype == jnp.bfloat16:
    return product(columns(x.astype(w.dtype)), w)
  return exact_matmul(x.T, w)


def columns(x: chex.Array) -> chex.Array:
  """x^T as the left factor of a product."""
  if jax.default_backend() != "cpu":
    return x.T
  # XLA's CPU backend takes twice the time for a left factor that is not row-major:
  # lay it out anew.
  return layout.with_layout_constraint(x.T, layout.Layout((0, 1)))


def _backward(name, factors, g):
  x, w = factors
  return _matmul(name, g, w.T), _matmul(name, columns(x), g)


@reverse.by_hand(lambda name, x, w: (_matmul(name, x, w), (x, w)), _backward, static=(0,))
def _matmul(name, x, w):
  if name == "float32":
    return exact_matmul(x, w)
  if name == "tf32":
    # 10 bits of mantissa, which pass a device's tf32 units unchanged.
    rounded = (jax.lax.reduce_precision(a, exponent_bits=8, mantissa_bits=10) for a in (x, w))
    return jnp.matmul(*rounded, precision=jax.lax.Precision.HIGH)
  product = jnp.matmul(
    x.astype(jnp.bfloat16), w.astype(jnp.bfloat16), preferred_element_type=jnp.float32
  )
  return product.astype(x.dtype)
