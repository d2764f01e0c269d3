"""Means with smaller standard errors, by numbers at the same points whose means are known.

With numbers X_1, .., X_p of known means (controls) f - (X - <X>) beta has the mean of f, whatever
beta is. It is found by least squares on other slices than it is used on: five folds of slices, of
which four choose beta for the fifth. Then it is independent of the points it is used on, the
estimate has no bias, and its standard error is as honest as that of f alone.
"""

from typing import NamedTuple

import chex
import numpy as np

from trainer.sampling.statistics import Measure, standard_error

_FOLDS = 5
# Directions of the controls that are smaller than this part of the largest are relations.
_RELATION = 1e-10
# A control that varies by less than this part of itself is constant.
_CONSTANT = 1e-9


class Controlled(NamedTuple):
  """A mean by control variates.

  Attributes:
    measure: the estimate, of the smaller standard error of both.
    plain: the estimate without controls.
    gain: standard error of `plain` over that of `measure`; not a number where neither is known.
  """

  measure: Measure
  plain: Measure
  gain: float


def controlled_means(
  f: np.ndarray, controls: np.ndarray, means: np.ndarray, slices: np.ndarray
) -> list[Controlled]:
  """The means of columns over points, with their errors.

  Args:
    f: (B, F), the columns.
    controls: (B, P).
    means: (P,), their means over the sampled distribution, exactly.
    slices: (B,), the number 0, 1, .. of each point's slice, ascending.

  Returns:
    F estimates.
  """
  chex.assert_equal_shape_prefix([f, controls, slices], 1)
  chex.assert_shape(means, controls.shape[1:])
  x, size = controls - means, np.sqrt(np.mean(controls**2, axis=0))
  scale = np.sqrt(np.mean(x**2, axis=0))
  used = scale > _CONSTANT * size
  corrected = f - _fitted(f, x[:, used] / scale[used], slices)
  estimates = []
  for column, without in zip(f.T, corrected.T):
    plain, controlled = (_mean(c, slices) for c in (column, without))
    best = controlled if controlled.stderr < plain.stderr else plain
    gain = plain.stderr / best.stderr if best.stderr != 0 else 1.0
    estimates.append(Controlled(best, plain, gain))
  return estimates


def _mean(f, slices):
  mean = np.mean(f)
  return Measure(float(mean), standard_error((f - mean) / len(f), slices))


def _fitted(f, x, slices):
  """X beta (B, F), beta of each fold from the others."""
  fitted = np.zeros_like(f)
  if slices[-1] + 1 < 2 * _FOLDS or not x.shape[1]:
    return fitted
  # Neighbouring slices into one fold: rows of a fold are runs, no copies are made of them.
  fold = slices * _FOLDS // (slices[-1] + 1)
  parts = [slice(*np.searchsorted(fold, [i, i + 1])) for i in range(_FOLDS)]
  # Sums over each fold of [1, X]^T [1, X] and [1, X]^T f; the constant takes the mean of f.
  sums = [_sums(x[part], f[part]) for part in parts]
  for i, part in enumerate(parts):
    gram, right = (sum(s[k] for j, s in enumerate(sums) if j != i) for k in range(2))
    values, vectors = np.linalg.eigh(gram)
    kept = values > _RELATION * values[-1]
    vectors = vectors[:, kept]
    beta = vectors @ ((vectors.T @ right) / values[kept, None])
    fitted[part] = x[part] @ beta[1:]
  return fitted


def _sums(x, f):
  ones = np.ones((len(x), 1))
  x = np.concatenate([ones, x], axis=1)
  return x.T @ x, x.T @ f
