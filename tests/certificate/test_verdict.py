"""Every line of a verdict can fail, and says what to do."""

import math

import numpy as np
import pytest

from trainer.certificate import verdict
from trainer.errors import UserError
from trainer.sampling.statistics import Measure

_EXACT = {
  "volume": {"value": 1.02, "stderr": 0.01, "exact": 1.0},
  "kappa": {"value": 0.5, "stderr": 0.0, "exact": 0.5},
  "sigma": {"value": 0.01, "stderr": 0.001, "exact": None},
}


def _good():
  return [
    verdict.sensible("positive definite", 0.1),
    *verdict.exact(_EXACT),
    *verdict.sampling(np.ones(600), 5),
    verdict.overfitting(Measure(0.011, 1e-4), Measure(0.010, 1e-4)),
  ]


def test_a_good_certificate_passes():
  result = verdict.make_verdict(_good())
  assert result["passed"] and all(line["passed"] for line in result["lines"])
  assert [line["name"] for line in result["lines"]] == [
    "positive definite",
    "volume",
    "effective sample size",
    "dropped slices",
    "held-out over training",
  ]
  assert result["lines"][1]["value"] == pytest.approx(2) and result["lines"][1]["threshold"] == 4
  assert verdict.summary(result).splitlines()[-1] == "PASS"
  verdict.check({"verdict": result})


_heavy = np.ones(600)
_heavy[0] = 60.0
_dropped = np.ones(6000)
_dropped[:10] = 0


@pytest.mark.parametrize(
  "line, name",
  [
    (verdict.sensible("positive definite", -1e-9), "positive definite"),
    (verdict.sensible("positive definite", math.nan), "positive definite"),
    (*verdict.exact({"volume": _EXACT["volume"] | {"value": 0.959}}), "volume"),
    (*verdict.exact({"kappa": _EXACT["kappa"] | {"value": 0.6, "stderr": 0.02}}), "kappa"),
    (verdict.sampling(_heavy, 5)[0], "effective sample size"),
    (verdict.sampling(np.ones(495), 5)[0], "effective sample size"),
    (verdict.sampling(_dropped, 5)[1], "dropped slices"),
    (
      verdict.overfitting(Measure(0.03, 1e-3), Measure(0.01, 1e-4)),
      "held-out over training",
    ),
  ],
)
def test_each_line_fails_once(line, name):
  assert line.name == name and not line.passed
  result = verdict.make_verdict([*_good(), line])
  assert not result["passed"] and verdict.summary(result).endswith("\nFAIL")
  with pytest.raises(UserError, match=name) as error:
    verdict.check({"verdict": result})
  assert error.value.status == 2 and line.advice in str(error.value)


def test_noise_is_not_overfitting():
  assert verdict.overfitting(Measure(0.03, 4e-3), Measure(0.01, 1e-3)).passed
  assert verdict.overfitting(Measure(1e-16, 0.0), Measure(0.0, 0.0)).passed
