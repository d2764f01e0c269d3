"""PASS or FAIL: what a certificate must show, line by line, with its thresholds."""

from collections.abc import Mapping, Sequence
import math
from typing import Any, NamedTuple

import numpy as np

from trainer.certificate.certificate import deviation
from trainer.errors import UserError
from trainer.sampling.points import effective_sample_size
from trainer.sampling.statistics import Measure

# From what is exact, in standard errors: one in 16,000 by chance.
_LARGEST_DEVIATION = 4.0
# Standard errors rest on as many slices of equal weight.
_LEAST_SLICES = 100.0
# Of the slices: a solver that misses some misses them where it is hard.
_DROPPED_SLICES = 1e-3
# Of the merit on held-out points over that on training points, and its standard errors.
_OVERFITTING = 2.0
# What is smaller is rounding.
_NOTHING = 1e-12


class FailedError(UserError):
  """A certificate says FAIL; the command exits with status 2."""

  status = 2


class Line(NamedTuple):
  """One line of a verdict.

  Attributes:
    name: what was looked at.
    passed: whether it is as it should be.
    value: what was found.
    threshold: what it is compared with.
    advice: what to do if it is not.
  """

  name: str
  passed: bool
  value: float
  threshold: float
  advice: str


def sensible(name: str, value: float) -> Line:
  """The field makes sense everywhere: `value`, the least number found, is positive."""
  return Line(
    name,
    value > 0,
    value,
    0.0,
    "train on more points (config.data.train_points), or a smaller network",
  )


def exact(measures: Mapping[str, Mapping[str, float | None]]) -> list[Line]:
  """Every measure whose exact value is known is as near to it as its error says.

  Args:
    measures: those of a certificate.
  """
  return [
    Line(
      name,
      abs(off) <= _LARGEST_DEVIATION,
      abs(off),
      _LARGEST_DEVIATION,
      "the points do not see all of the manifold or the error is not to be trusted: raise "
      "config.data.heldout_points, or set config.data.concentration",
    )
    for name, entry in measures.items()
    if (off := deviation(entry)) is not None
  ]


def sampling(weight: np.ndarray, points_per_slice: int) -> list[Line]:
  """There are enough slices, and none is missing.

  Args:
    weight: (B,) of the held-out points, 0 where a slice was dropped.
    points_per_slice: consecutive points of a slice.
  """
  starts = np.arange(0, len(weight), points_per_slice)
  slices = np.add.reduceat(weight, starts)
  size = effective_sample_size(slices)
  dropped = float(np.mean(slices == 0))
  return [
    Line(
      "effective sample size",
      size >= _LEAST_SLICES,
      float(size),
      _LEAST_SLICES,
      "raise config.data.heldout_points, or set config.data.concentration",
    ),
    Line(
      "dropped slices",
      dropped <= _DROPPED_SLICES,
      dropped,
      _DROPPED_SLICES,
      "the sampler could not solve all slices of this variety: change its polynomials a little",
    ),
  ]


def overfitting(heldout: Measure, training: Measure) -> Line:
  """The merit is much the same on held-out points as on training points."""
  above, below = heldout.value + _NOTHING, training.value + _NOTHING
  ratio = above / below
  error = ratio * math.hypot(heldout.stderr / above, training.stderr / below)
  threshold = _OVERFITTING + _LARGEST_DEVIATION * (error if math.isfinite(error) else 0.0)
  return Line(
    "held-out over training",
    ratio <= threshold,
    ratio,
    threshold,
    "raise config.data.train_points, or take a smaller network",
  )


def make_verdict(lines: Sequence[Line]) -> dict[str, Any]:
  """The verdict of a certificate, JSON-like."""
  return {
    "passed": all(line.passed for line in lines),
    "lines": [
      {
        "name": line.name,
        "passed": bool(line.passed),
        "value": line.value,
        "threshold": line.threshold,
        **({} if line.passed else {"advice": line.advice}),
      }
      for line in lines
    ],
  }


def summary(verdict: Mapping[str, Any]) -> str:
  """The verdict as lines for the terminal."""
  rows = [
    f"{'pass' if line['passed'] else 'FAIL'}  {line['name']}: {line['value']:.4g} "
    f"(threshold {line['threshold']:.4g})"
    for line in verdict["lines"]
  ]
  return "\n".join([*rows, "PASS" if verdict["passed"] else "FAIL"])


def check(certificate: Mapping[str, Any]) -> None:
  """Raises FailedError, saying what to do, if the verdict of a certificate is FAIL."""
  failed = [line for line in certificate["verdict"]["lines"] if not line["passed"]]
  if failed:
    raise FailedError(
      "the certificate says FAIL: "
      + "; ".join(
        f"{line['name']} is {line['value']:.4g}, threshold {line['threshold']:.4g}: "
        f"{line['advice']}"
        for line in failed
      )
      + " (--allow_fail ends with status 0 all the same)"
    )
