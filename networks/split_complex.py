"""Complex numbers as two real arrays.

XLA vectorises real arithmetic and leaves complex arithmetic scalar on CPU, and networks are
real anyway: formulas over complex quantities are written with this type and compile to real
operations only.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator

import chex
import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class Complex:
  """re + i im; im is None where it vanishes identically."""

  re: chex.Array
  im: chex.Array | None = None

  def conj(self) -> Complex:
    """re - i im."""
    return self if self.im is None else Complex(self.re, -self.im)

  def __getitem__(self, index) -> Complex:
    """Indexes both parts."""
    return Complex(pick(self.re, index), None if self.im is None else pick(self.im, index))

  def sum(self) -> Complex:
    """The sum over the first axis, which is short."""
    # Not a reduction: that would be several times slower on CPU.
    add = lambda a: functools.reduce(operator.add, list(a))
    return Complex(add(self.re), None if self.im is None else add(self.im))

  def __add__(self, other: Complex) -> Complex:
    if self.im is None or other.im is None:
      return Complex(self.re + other.re, other.im if self.im is None else self.im)
    return Complex(self.re + other.re, self.im + other.im)

  def __neg__(self) -> Complex:
    return Complex(-self.re, None if self.im is None else -self.im)

  def __sub__(self, other: Complex) -> Complex:
    return self + -other

  def __mul__(self, other: Complex | chex.Array | float) -> Complex:
    if not isinstance(other, Complex):
      return Complex(self.re * other, None if self.im is None else self.im * other)
    if other.im is None:
      return self * other.re
    if self.im is None:
      return other * self.re
    return Complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)


def pick(array: chex.Array, index) -> chex.Array:
  """array[index]; where the index is integers and arrays of them, not negative, one gather.

  As an index such arrays are twenty operations each, which take their time to compile.
  """
  parts = index if isinstance(index, tuple) else (index,)
  if not all(isinstance(i, int | np.integer | np.ndarray) for i in parts):
    return array[index]
  if not any(isinstance(i, np.ndarray) for i in parts):
    return array[index]
  kept, behind = array.shape[: len(parts)], array.shape[len(parts) :]
  numbers = np.ravel_multi_index(np.broadcast_arrays(*parts), kept)
  picked = jax.lax.gather(
    array.reshape(math.prod(kept), *behind),
    numbers.reshape(-1, 1).astype(np.int32),
    jax.lax.GatherDimensionNumbers(
      offset_dims=tuple(range(1, 1 + len(behind))),
      collapsed_slice_dims=(0,),
      start_index_map=(0,),
    ),
    slice_sizes=(1, *behind),
    mode="promise_in_bounds",
  )
  return picked.reshape(*numbers.shape, *behind)
