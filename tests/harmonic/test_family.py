"""All deformations at once against each of them alone, and their errors against what they mean."""

import numpy as np
import pytest

from trainer.harmonic import deformations, family


def _values(count, m, n, seed=0):
  rng = np.random.default_rng(seed)
  complex_of = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)
  weight = rng.uniform(0.5, 1.5, count)
  weight[6:9] = 0
  mu, k = complex_of(count, m, n, n) + 2 * complex_of(m, n, n), complex_of(count, m)
  return {
    "stretch": np.stack([2 * k, k]),
    "mu": np.stack([mu, mu]),
    "phase": np.exp(1j * rng.uniform(size=count)),
    "weight": weight,
    "of_controls": np.zeros((count, 0)),
  }


@pytest.mark.parametrize("n", [1, 2, 3])
def test_they_are_those_of_each_alone(n):
  values = _values(300, 3, n)
  found = family.measure(values, 3)
  alone = deformations.measure(values, dict.fromkeys("abc"), 3)
  for i, row in enumerate(alone["metric"]):
    for j, entry in enumerate(row):
      assert found.metric.value[i, j] == pytest.approx(entry["value"] + 1j * entry["imaginary"])
  for entry in alone["couplings"]:
    index = tuple("abc".index(name) for name in entry["deformations"])
    expected = entry["value"] + 1j * entry["imaginary"]
    assert found.couplings.value[index] == pytest.approx(expected)
    assert found.couplings.value[index[::-1]] == pytest.approx(expected)
    assert found.couplings.stderr[index] == pytest.approx(entry["stderr"], rel=0.6)
  for i, one in enumerate(alone["deformations"].values()):
    assert found.yukawa.value[i] == pytest.approx(one["y"]["value"])


def test_errors_are_the_scatter_of_other_points():
  found = [family.measure(_values(600, 2, 2, seed) | _fixed(seed), 3) for seed in range(60)]
  for part in ("metric", "couplings", "yukawa"):
    values = np.array([getattr(f, part).value for f in found])
    errors = np.array([getattr(f, part).stderr for f in found])
    scatter = np.sqrt(np.mean(abs(values - values.mean(axis=0)) ** 2, axis=0))
    np.testing.assert_allclose(np.sqrt(np.mean(errors**2, axis=0)), scatter, rtol=0.3)


def test_the_factor_of_exact_couplings_is_fitted():
  """2 det(A_i, A_j) of the means, which are known, times any factor."""
  ratios = (0.3 - 2j) * family.measure(_constant(), 3).couplings.value
  found = [family.measure(_values(600, 2, 2, s) | _fixed(s), 3, ratios) for s in range(60)]
  alone = [family.measure(_values(600, 2, 2, s) | _fixed(s), 3) for s in range(60)]
  expected = ratios / (0.3 - 2j)
  off = np.array([f.exact.value - expected for f in found])
  errors = np.array([f.exact.stderr for f in found])
  np.testing.assert_allclose(
    np.sqrt(np.mean(abs(off) ** 2, axis=0)), np.sqrt(np.mean(errors**2, axis=0)), rtol=0.3
  )
  # One complex number is fitted to three that are correlated.
  assert np.mean([f.deviation for f in found]) == pytest.approx(0.6, abs=0.2)
  for one, other in zip(found, alone, strict=True):
    assert np.all(one.yukawa.stderr <= other.yukawa.stderr)
    np.testing.assert_array_equal(one.couplings.value, other.couplings.value)
  # Wrong by more than a factor.
  wrong = ratios * np.array([[1, -1], [-1, 1]])
  assert family.measure(_values(600, 2, 2) | _fixed(0), 3, wrong).deviation > 5


def _constant():
  """Tensors that are their means everywhere."""
  means = _fixed(0, noise=0)["mu"]
  return _values(600, 2, 2) | {"mu": means, "phase": np.ones(600)}


def _fixed(seed, noise=1):
  """Tensors around the same means whatever the seed."""
  rng, other = np.random.default_rng(1), np.random.default_rng(100 + seed)
  means = rng.normal(size=(2, 2, 2)) + 1j * rng.normal(size=(2, 2, 2))
  mu = means + noise * other.normal(size=(600, 2, 2, 2))
  return {"mu": np.stack([mu, mu]), "phase": np.ones(600)}
