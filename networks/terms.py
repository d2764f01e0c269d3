"""Terms of algebraic metrics, their sections from the ambient space and those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax.numpy as jnp
import numpy as np

from networks import gauge, jets, sections

# Where forms start for sections that are not from the ambient space. Directions are relative to H:
# from 1e-3 Gauss-Newton needs many steps to find these sections.
_LITTLE = 0.1


class Quotients(NamedTuple):
  """Sections s of multidegree 0 in a factor with coordinates y, given by all s y_p.

  Attributes:
    factor: which.
    exponents: (M, N) of the monomials that s y_p are made of, of degree 1 in that factor.
    coefficients: (n + 1, M, E): s_e y_p = sum_m z^m C_pme on the variety.
  """

  factor: int
  exponents: np.ndarray
  coefficients: np.ndarray


def quotient_rows(
  quotients: Quotients, ambient: Sequence[int], x: chex.Array | jets.Jet
) -> chex.Array:
  """`section_rows` of quotients, (A, ..., 2E): s = sum_p conj(y_p) (s y_p), y at the point.

  In the gauge |y|^2 = 1 and the holomorphic derivatives of sum_p conj(y_p) y_p, in which the first
  y does not move, vanish.
  """
  size, _, count = quotients.coefficients.shape
  flat = np.moveaxis(quotients.coefficients, 0, 1).reshape(-1, size * count)
  rows = sections.section_rows(quotients.exponents, flat, ambient, x)
  real, imaginary = gauge.factors(ambient)[quotients.factor]
  if isinstance(x, jets.Jet):
    y = gauge.frame(x, real, imaginary)
  else:
    y = sections.normalised(x[..., real], x[..., imaginary])
  u, v = (part[0, ..., None] for part in (y.re, y.im))
  re, im = (half.reshape(half.shape[:-1] + (size, count)) for half in jnp.split(rows, 2, axis=-1))
  return jnp.concatenate([(u * re + v * im).sum(axis=-2), (u * im - v * re).sum(axis=-2)], axis=-1)


class Term(NamedTuple):
  """(c / pi) log s* H s.

  Attributes:
    weight: c.
    exponents: (M, N) of the monomials that sections are made of.
    coefficients: (M, N_s), the sections.
    quotients: more sections, not from the ambient space; or None.
  """

  weight: float
  exponents: np.ndarray
  coefficients: np.ndarray
  quotients: Quotients | None = None

  @property
  def size(self) -> int:
    """The number of all sections."""
    more = 0 if self.quotients is None else self.quotients.coefficients.shape[2]
    return self.coefficients.shape[1] + more

  def rows(self, ambient: Sequence[int], x: chex.Array | jets.Jet) -> chex.Array:
    """The `section_rows` of all at x."""
    rows = sections.section_rows(self.exponents, self.coefficients, ambient, x)
    if self.quotients is None:
      return rows
    more = quotient_rows(self.quotients, ambient, x)
    halves = zip(jnp.split(rows, 2, axis=-1), jnp.split(more, 2, axis=-1), strict=True)
    return jnp.concatenate([part for half in halves for part in half], axis=-1)

  def start(self, shape: Sequence[int], dtype: jnp.dtype) -> chex.Array:
    """Fubini-Study, but for a little of what is not from the ambient space."""
    ambient = jnp.arange(shape[0]) < self.coefficients.shape[1]
    return jnp.diag(jnp.where(ambient, 1.0, _LITTLE)).astype(dtype)
