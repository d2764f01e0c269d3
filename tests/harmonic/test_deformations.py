"""G, y and kappa from forms given by hand."""

import numpy as np
import pytest

from trainer.geometry import dwork
from trainer.harmonic import deformations

_UNKNOWN = {"a": None, "b": None}


def _values(mu, stretch, controls):
  rng = np.random.default_rng(0)
  count = len(mu)
  weight = rng.uniform(0.5, 1.5, count)
  weight[6:9] = 0
  return {
    "stretch": np.stack([2 * stretch, stretch]),
    "mu": np.stack([mu, mu]),
    "phase": np.full(count, 1j),
    "weight": weight,
    "of_controls": controls,
  }


def test_constant_forms_by_hand():
  rng = np.random.default_rng(1)
  count = 60
  mu = np.broadcast_to(np.stack([np.diag([1, 2, 3j]), np.eye(3)]).astype(complex), (count, 2, 3, 3))
  found = deformations.measure(
    _values(mu, np.zeros((count, 2)) + 0.7j, np.zeros((count, 0))),
    {"a": dwork.Exact(14.5, 0.6), "b": None},
    3,
  )
  a, b = found["deformations"]["a"], found["deformations"]["b"]
  assert [a[name]["exact"] for name in "Gy"] == [14.5, 0.6] and b["G"]["exact"] is None
  assert a["G"]["value"] == pytest.approx(14) and b["G"]["value"] == pytest.approx(3)
  assert a["y"]["value"] == pytest.approx(6 * 6 * 14**-1.5)
  assert b["y"]["value"] == pytest.approx(6 * 3**-1.5) and b["y"]["stderr"] < 1e-12
  off = found["metric"][0][1]
  assert (off["value"], off["imaginary"]) == (pytest.approx(3), pytest.approx(3))
  kappa = {tuple(c["deformations"]): c["value"] + 1j * c["imaginary"] for c in found["couplings"]}
  # The symmetric functions of 1, 2, 3i, over 3, times 3! Omega / conj(Omega).
  assert kappa["a", "b", "b"] == pytest.approx(2j * (3 + 3j))
  assert kappa["a", "a", "b"] == pytest.approx(2j * (2 + 9j))
  # A stretch that varies is no harmonic form: G is what is left of the trace.
  stretch = rng.normal(size=(count, 2)) * np.array([1, 1j])
  values = _values(mu, stretch, np.zeros((count, 0)))
  found = deformations.measure(values, _UNKNOWN, 3)["deformations"]["a"]
  w, k = values["weight"] / np.sum(values["weight"]), stretch[:, 0]
  variance = w @ k**2 - (w @ k) ** 2
  assert found["G"]["value"] == pytest.approx(14 - variance)
  assert found["hodge"] == pytest.approx(14) and found["G"]["stderr"] > 0.01
  assert found["residual"]["after"] == pytest.approx((variance / (14 - variance)) ** 0.5)
  assert found["residual"]["before"] == pytest.approx(2 * found["residual"]["after"])


def test_what_controls_explain_is_no_error():
  rng = np.random.default_rng(2)
  count, f = 300, rng.normal(size=300)
  mu = (np.sqrt(3 + 0.2 * f)[:, None, None, None] * np.eye(3)[None, None]).astype(complex)
  errors = [
    deformations.measure(_values(mu, np.zeros((count, 1)), c), {"a": None}, 3)["deformations"]["a"][
      "G"
    ]
    for c in (np.zeros((count, 0)), rng.normal(size=(count, 1)), f[:, None])
  ]
  assert errors[0]["stderr"] > 0.02 and errors[1]["stderr"] > 0.02
  assert errors[2]["stderr"] < 1e-12
