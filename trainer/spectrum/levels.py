"""Levels with multiplicities and errors, from eigenvalues that noise splits and shifts.

To first order an eigenvalue is off by sum_p m_p q_p, q = 4 |d u|^2 - lambda u^2 of its
eigenfunction, and what is known of the points' integrals (trainer.quadrature.calibrate) takes away
all of q but a rest: its sums over slices give the standard error s of each eigenvalue. Within a
multiplet of d members the noise is a symmetric matrix. If no direction is special the members
deviate from their mean by s sqrt((d - 1) (d + 2) / (2 d)), rms. Where means over a group are taken
d counts representations, not members.
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import numpy as np

# Neighbours closer than so many standard errors of their difference are of one level.
_APART = 4.0
# And closer than this part of them: what the end of the basis does to a multiplet.
_TRUNCATION = 2e-3


class Level(NamedTuple):
  """An eigenvalue of the Laplacian.

  Attributes:
    value: the mean of its eigenvalues.
    stderr: the standard error of one of them.
    bias: by how much noise shifts them: values of all points less those of half.
    multiplicity: how many there are.
    spread: rms of their deviations from the mean.
  """

  value: float
  stderr: float
  bias: float
  multiplicity: int
  spread: float


def levels(
  values: np.ndarray,
  halves: np.ndarray,
  terms: np.ndarray,
  irreps: np.ndarray,
  *,
  complete: bool,
) -> list[Level]:
  """The levels, but the last where others may belong to it.

  Args:
    values: (L,), ascending.
    halves: (L,) values from half as many points.
    terms: (C, L), what each of C slices adds to each eigenvalue.
    irreps: (L,) whole numbers, ascending; equal ones mark values that are equal for certain.
    complete: whether there are no others.
  """
  chex.assert_equal_shape([values, halves])
  chex.assert_shape(terms, (None, len(values)))
  parts = multiplets(values, _standard_errors(terms))
  if not complete and len(parts) > 1:
    parts = parts[:-1]
  return [_level(values[part], halves[part], terms[:, part], irreps[part]) for part in parts]


def multiplets(values: np.ndarray, errors: np.ndarray) -> list[slice]:
  """The runs of eigenvalues (L,), ascending, that agree within their errors (L,)."""
  close = np.maximum(_APART * np.hypot(errors[1:], errors[:-1]), _TRUNCATION * values[1:])
  ends = np.flatnonzero(np.diff(values) > close) + 1
  return [slice(*pair) for pair in zip([0, *ends], [*ends, len(values)])]


def _level(values, halves, terms, irreps):
  mean, count = np.mean(values), len(np.unique(irreps))
  of_mean = _standard_errors(np.mean(terms, axis=1))
  of_one = np.mean(_standard_errors(terms) ** 2)
  return Level(
    value=float(mean),
    stderr=float(np.sqrt(of_mean**2 + (count - 1) * (count + 2) / (2 * count) * of_one)),
    bias=float(mean - np.mean(halves)),
    multiplicity=len(values),
    spread=float(np.std(values)),
  )


def _standard_errors(terms):
  count = len(terms)
  return np.sqrt(count / (count - 1) * np.sum(terms**2, axis=0))
