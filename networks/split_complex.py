"""Complex numbers as two real arrays.

XLA vectorises real arithmetic and leaves complex arithmetic scalar on CPU, and networks are
real anyway: formulas over complex quantities are written with this type and compile to real
operations only.
"""

from __future__ import annotations

import dataclasses

import chex


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
    return Complex(self.re[index], None if self.im is None else self.im[index])

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
