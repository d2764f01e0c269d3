"""Curvature at points and what it adds up to, against exact topology and flat metrics."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic, k3_quartic
from trainer.curvature import tensors
from trainer.devices import compiling
from trainer.geometry import description, members, topology
from trainer.geometry.parse import parse_polynomial
from trainer.geometry.variety import Variety
from trainer.metric import curvature, curvature_measures, inspection
from trainer.metric.problem import MetricProblem
from trainer.points.dataset import prepare_on_host
from trainer.problem.problem import Look
from trainer.sampling.sampler import Sampler
from trainer.sampling.statistics import mean_of_slices

_TWO_FACTORS = Variety(
  (1, 3), (members.random_polynomial((1, 3), (2, 4), np.random.default_rng(0)),), (0.5, 2**0.5)
)

# Problems and parameters of `_bent`.
_BENT = {}


def _points(variety, slices):
  """Batches of whole slices, and how many points a slice has."""
  sampler = Sampler(variety)
  parts, per_slice = [], sampler.points_per_slice
  for index in range(100):
    block = sampler.block(jax.random.key(3, impl="threefry2x32"), index)
    parts.append((np.asarray(block.z), np.asarray(block.weight)))
    if sum(len(w) for _, w in parts) >= slices * per_slice:
      break
  z, weight = (np.concatenate(a)[: slices * per_slice] for a in zip(*parts))
  return prepare_on_host(variety, z, weight, np.dtype(float), 256), per_slice


@functools.cache
def _bent(name):
  """A metric that is not special: values and findings on some hundred slices."""
  variety, network, slices = {
    "cubic": (description.make_variety(fermat_cubic.get_config()), "algebraic(degree=2)", 400),
    "quartic": (description.make_variety(k3_quartic.get_config()), "algebraic(degree=1)", 600),
    "two factors": (_TWO_FACTORS, "algebraic(degree=1)", 300),
  }[name]
  problem = MetricProblem(variety, network)
  params = problem.ansatz.init(jax.random.key(0))
  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda a: a + 0.15 * rng.normal(size=a.shape), params)
  params = problem.ansatz.admit(params)
  _BENT[name] = problem, params
  batch, per_slice = _points(variety, slices)
  seen = {}

  def evaluate(function):
    quick = jax.jit(function, compiler_options=compiling.optimisation(0))
    values = quick({"network": params}, batch) | {"weight": batch.weight}
    seen.update(jax.tree.map(np.asarray, values))
    return seen

  look = Look(
    len(batch.weight), evaluate, points=None, anywhere=None, function_anywhere=lambda f: None
  )
  found = inspection.by_jets(variety, problem.ansatz, problem.volume, per_slice, look)
  return variety, batch, per_slice, seen, found


def test_differences_find_what_jets_find():
  variety, batch, per_slice, values, expected = _bent("cubic")
  problem, params = _BENT["cubic"]
  of_metric = jax.jit(problem.values, compiler_options=compiling.optimisation(0))

  def anywhere(z, charts):
    at = prepare_on_host(variety, z, np.ones(len(z)), np.dtype(float), len(z), charts)
    return jax.tree.map(np.asarray, of_metric({"network": params}, at))

  count = len(values["weight"])
  z = values["x"][:, :3] + 1j * values["x"][:, 3:]
  points = lambda count: (z[:count], values["weight"][:count])
  look = Look(count, values=None, points=points, anywhere=anywhere, function_anywhere=None)
  found = inspection.by_differences(variety, problem.volume, per_slice, look)
  assert set(found.measures) == set(expected.measures)
  for name, (value, stderr) in expected.measures.items():
    assert found.measures[name].value == pytest.approx(value, rel=1e-6, abs=1e-6), name
    assert found.measures[name].stderr == pytest.approx(stderr, rel=1e-5), name
  assert set(found.sections) == set(expected.sections) and not found.fields


@pytest.mark.parametrize("name", ["cubic", "quartic", "two factors"])
def test_chern_numbers_are_those_of_topology(name):
  variety, _, per_slice, values, found = _bent(name)
  exact = curvature_measures.exact(variety)
  assert exact["euler"] == {"cubic": 0, "quartic": 24, "two factors": -168}[name]
  for group in (found.measures, found.references["fubini_study"]):
    for measure, number in exact.items():
      value, stderr = group[measure]
      assert stderr > 0 and abs(value - number) < 4 * stderr, measure
  assert all(c["gain"] > 1.5 for c in found.sections["controls"].values())
  # The class of the metric.
  density = values["weight"] / values["omega"] * values["trained"]["determinant"]
  slices = np.arange(len(density)) // per_slice
  volume, stderr = mean_of_slices(np.ones(len(density)), density, slices)
  expected = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  assert abs(volume - expected) < 4 * stderr


@pytest.mark.parametrize("name", ["cubic", "quartic", "two factors"])
def test_laplacians_integrate_to_zero(name):
  _, _, per_slice, values, _ = _bent(name)
  slices = np.arange(len(values["omega"])) // per_slice
  for metric in (values["trained"], values["fubini_study"]):
    dvol = values["weight"] / values["omega"] * metric["determinant"]
    assert metric["laplacians"].shape[1] >= 9
    for column in metric["laplacians"].T:
      mean, stderr = mean_of_slices(np.ones(len(dvol)), dvol * column, slices)
      assert abs(mean) < 4.5 * stderr + 1e-12


def test_density_of_c2_is_one_of_norms():
  """c_2 omega^{n-2} / (n - 2)! = (R^2 - 2 |Ric|^2 + |Riem|^2) / (2 pi^2) dvol."""
  metric = _bent("quartic")[3]["trained"]
  density = curvature_measures._c2_density(metric) * metric["determinant"]
  np.testing.assert_allclose(metric["euler"], density, rtol=1e-8)
  # On a threefold c_2 omega, with omega = sum_i t_i g^(i) for Fubini-Study.
  variety, _, _, values, _ = _bent("two factors")
  metric = values["fubini_study"]
  density = curvature_measures._c2_density(metric) * metric["determinant"]
  np.testing.assert_allclose(metric["c2"] @ np.array(variety.moduli), density, rtol=1e-8)


def test_no_curvature_on_a_flat_torus():
  """g = |Omega|^2 on the Fermat cubic: K_{1 1bar} = |f|^2 with f = 1 / (3 z_e^2) holomorphic."""
  _, batch, *_ = _bent("cubic")
  z = batch.x[:, :3] + 1j * batch.x[:, 3:]
  slope = batch.pullback[:, 0]
  # The eliminated coordinate is the one whose slope is neither 0 nor 1.
  e = np.argmax((slope != 0) & (slope != 1), axis=1)
  at = lambda a: np.take_along_axis(a, e[:, None], axis=1)[:, 0]
  f, df = 1 / (3 * at(z) ** 2), -2 * at(slope) / (3 * at(z) ** 3)
  rows = np.zeros((9, len(f)))
  rows[3], rows[6], rows[7] = abs(f) ** 2, (df * f.conj()).real, (df * f.conj()).imag
  rows[8] = abs(df) ** 2
  quick = jax.jit(curvature.at_points, compiler_options=compiling.optimisation(0))
  found = quick(*tensors.components(jnp.asarray(rows)), jnp.ones((len(f), 1, 1, 1)))
  np.testing.assert_allclose(found["determinant"], batch.omega, rtol=1e-10)
  scale = abs(df / f) ** 2 / abs(f) ** 2
  for name in ("scalar", "ricci", "euler"):
    np.testing.assert_allclose(found[name] / (1 + scale), 0, atol=1e-12)


def test_numbers_of_a_constant_curvature():
  """All measures by hand: P^1's own metric, R = 2, on points of equal weight."""
  variety = _bent("cubic")[0]
  ones = np.ones(40)
  metric = {"determinant": 3 * ones, "scalar": 2 * ones, "ricci": 2 * ones, "euler": 0 * ones}
  metric |= {"riemann_squared": 4 * ones, "c2": np.zeros((40, 0)), "laplacians": np.zeros((40, 0))}
  values = {"trained": metric, "fubini_study": metric, "omega": ones, "weight": ones}
  found = curvature_measures.findings(variety, 3.0, 2, values | {"x": np.ones((40, 6))})
  # n = 1: integral |R| dvol = 6; Vol <|Ric|> = 6.
  assert found.measures["ricci_measure"] == (pytest.approx(6), 0)
  assert found.measures["mean_abs_ricci"] == (pytest.approx(6), 0)
  histogram = found.sections["histograms"]["ricci_scalar"]
  assert sum(histogram["weights"]) == pytest.approx(1) and len(histogram["edges"]) == 61
  assert found.sections["extreme_points"]["max_abs_ricci"]["value"] == 2


def test_where_the_density_of_c2_is_negative():
  """(R^2 - 2 |Ric|^2 + |Riem|^2) / (2 pi^2) three times the volume where it is negative."""
  variety, ones = _bent("quartic")[0], np.ones(40)
  odd = np.arange(40) % 2
  metric = {"determinant": 1 + 2 * odd, "scalar": ones, "ricci": 2 * odd, "riemann_squared": ones}
  metric |= {"euler": ones, "c2": np.zeros((40, 0)), "laplacians": np.zeros((40, 0))}
  values = {"trained": metric, "fubini_study": metric, "omega": ones, "weight": ones}
  found = curvature_measures.findings(variety, 2.0, 2, values | {"x": np.ones((40, 8))})
  assert found.measures["min_c2_density"].value == pytest.approx(-6 / (2 * np.pi**2))
  assert found.measures["negative_c2_share"].value == pytest.approx(3 / 4)


def test_dropped_points_and_places_without_curvature_do_not_count():
  variety, _, per_slice, values, expected = _bent("quartic")
  drop = np.arange(len(values["weight"])) < per_slice
  spoiled = jax.tree.map(lambda a: np.concatenate([np.full_like(a[drop], np.nan), a]), values)
  spoiled["weight"][: drop.sum()] = 0
  found = curvature_measures.findings(variety, 4 / 2, per_slice, spoiled)
  for name, measure in expected.measures.items():
    assert found.measures[name] == pytest.approx(measure), name
  assert found.sections["histograms"] == expected.sections["histograms"]
  # Points where a field has no numbers are left out there, not everywhere.
  values = jax.tree.map(np.copy, values)
  values["trained"]["riemann_squared"][5] = np.nan
  found = curvature_measures.findings(variety, 4 / 2, per_slice, values)
  assert np.isfinite(found.sections["extreme_points"]["max_riemann_squared"]["value"])
  assert all(np.isfinite(measure).all() for measure in found.measures.values())


def test_names_of_exact_numbers():
  bicubic = Variety((2, 2), (parse_polynomial("z0^3*z3^3", 6),), (1.0, 2.0))
  assert curvature_measures.exact(bicubic) == {
    "euler": -162,
    "c1": 0,
    "c2_J_1": 36,
    "c2_J_2": 36,
  }
  sextic = Variety((5,), (parse_polynomial("z0^6", 6),), (1.0,))
  assert curvature_measures.exact(sextic) == {"euler": 2610, "c1": 0, "c2_J_1_J_1": 90}
