"""Numbers as people write them, NumPy's and JAX's included, as Python's: exactly, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import numbers
from typing import Any

import jax
import numpy as np

from trainer.errors import UserError


def plain(value: Any) -> Any:
  """Arrays as tuples, their scalars as Python's, inside of lists, tuples and dictionaries, too.

  Complex numbers without imaginary part become real.
  """
  if isinstance(value, (np.ndarray, np.generic, jax.Array)):
    value = np.asarray(value).tolist()
  if isinstance(value, Mapping):
    return {key: plain(part) for key, part in value.items()}
  if isinstance(value, complex) and not value.imag:
    return value.real
  return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def real_numbers(name: str, values: Iterable) -> tuple[float, ...]:
  """A row of real numbers; UserError, which tells the name, if it is none."""
  return tuple(_each(name, values, float, "real numbers, such as (1.0, 2.5)"))


def whole_numbers(name: str, values: Iterable) -> tuple[int, ...]:
  """A row of whole numbers; UserError, which tells the name, if it is none."""
  return tuple(_each(name, values, int, "whole numbers, such as (1, 3)"))


def _each(name, values, kind, words):
  row = plain(values)
  if not isinstance(row, tuple):
    raise UserError(f"{name} = {values!r} must be {words}")
  for number in row:
    if not isinstance(number, numbers.Number):
      raise UserError(f"{name} = {row} must be {words}")
    if isinstance(number, complex):
      raise UserError(f"{name} = {row} must be {words}: {number} has an imaginary part")
    try:
      converted = kind(number)
    except (OverflowError, ValueError):  # int of an infinite number
      converted = None
    if converted != number and not (kind is float and number != number):
      raise UserError(f"{name} = {row} must be {words}")
    yield converted
