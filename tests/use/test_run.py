"""A run from Python: what it gives by name, on any machine, and what it says to wrong points."""

import dataclasses
import pathlib
import tarfile
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.run import test_formats
from trainer import load_metric, load_run
from trainer.errors import UserError
from trainer.harmonic import tangent
from trainer.use import metric

_STORED = pathlib.Path(test_formats.__file__).with_name("format_1.tar.gz")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """A finished run on the Fermat cubic, trained elsewhere; none of its points are here."""
  directory = tmp_path_factory.mktemp("stored")
  with tarfile.open(_STORED) as archive:
    archive.extractall(directory, filter="data")
  return directory / "run"


def test_points_and_the_metric_at_them(workdir):
  run = load_run(workdir)
  points = run.points(7, seed=2)
  assert points.z.shape == (7, 3) and points.pullback.shape == (7, 1, 3)
  np.testing.assert_allclose(np.sum(points.z**3, axis=1), 0, atol=1e-12)
  # Along the curve dQ = 0, and the local coordinate is the pullback's own.
  np.testing.assert_allclose(np.sum(points.z**2 * points.pullback[:, 0], axis=1), 0, atol=1e-12)
  np.testing.assert_array_equal(np.take_along_axis(points.pullback[:, 0], points.local, 1), 1)
  assert not np.array_equal(run.points(7).z, points.z)
  np.testing.assert_array_equal(run.points(7, seed=2).z, points.z)

  g = run.metric(points.z)
  assert g.shape == (7, 1, 1) and g.dtype == jnp.complex128
  x = np.concatenate([points.z.real, points.z.imag], axis=1)
  np.testing.assert_allclose(load_metric(workdir)(x[3]), g[3], rtol=1e-12)
  np.testing.assert_allclose(load_metric(workdir)(2j * points.z), g, rtol=1e-12)
  assert np.all(g[:, 0, 0].real > 0)


def test_charts_and_certificate(workdir):
  run = load_run(workdir)
  points = run.points(2)
  chart = run.chart(points.z[1])
  np.testing.assert_array_equal(chart.local, points.local[1])
  np.testing.assert_allclose(chart.metric(chart.u), run.metric(points.z[1]), rtol=1e-12)
  moved = chart.u + 0.01
  z = chart.point(moved)
  np.testing.assert_allclose(jnp.sum(z**3), 0, atol=1e-13)
  np.testing.assert_allclose(chart.coordinates(3j * z), moved, rtol=1e-12)
  assert run.certificate["measures"]["volume"]["exact"] == 3
  (workdir / "certificate.json").rename(workdir / "moved.json")
  with pytest.raises(UserError, match="no certificate"):
    run.certificate
  (workdir / "moved.json").rename(workdir / "certificate.json")


def test_a_second_load_compiles_nothing(workdir):
  z = load_run(workdir).points(1).z[0]
  load_metric(workdir)(z)
  sizes = lambda: [program._cache_size() for program in metric._metric.programs]
  before = sizes()
  assert sum(before) > 0
  load_metric(workdir)(z)
  assert sizes() == before


@pytest.mark.parametrize(
  "x, message",
  [
    (np.array([1.0, 2.0, 3.0, 0.0, 0.0, 0.0]), r"point 0 is not on the manifold: \|Q_1\| is 1"),
    (np.array([[1, -1, 0], [1, 1j, 1]]), "point 1 is not on the manifold"),
    (np.zeros(6), "no place in projective space"),
    (np.full(3, np.nan + 0j), "no place in projective space"),
    (np.ones(5), r"give \[Re z, Im z\], \(..., 6\) real, or z, \(..., 3\) complex"),
  ],
)
def test_points_of_another_place_are_refused(workdir, x, message):
  with pytest.raises(UserError, match=message):
    load_metric(workdir)(x)


def test_whole_numbers_and_lists_are_points(workdir):
  metric = load_metric(workdir)
  np.testing.assert_allclose(metric([1, -1, 0, 0, 0, 0]), metric(np.array([1.0 + 0j, -1, 0])))


def test_single_precision_is_said(workdir):
  metric = load_metric(workdir)
  with jax.enable_x64(False):
    with pytest.warns(UserWarning, match="jax_enable_x64"):
      g = metric(np.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0]))
    assert g.dtype == jnp.complex64


def test_loading_says_nothing(workdir, capfd, caplog):
  """Whatever the precision; a library's own messages are none of a user's."""
  with jax.enable_x64(False), warnings.catch_warnings():
    warnings.simplefilter("error")
    load_metric(workdir)
  assert capfd.readouterr() == ("", "") and not caplog.records


@pytest.mark.parametrize("change", ["empty", "torn"])
def test_directories_without_a_run_are_refused(workdir, tmp_path, change):
  if change == "torn":
    with tarfile.open(_STORED) as archive:
      archive.extractall(tmp_path, filter="data")
    tmp_path = tmp_path / "run"
    for path in tmp_path.glob("checkpoints/*/*/**/*"):
      if path.is_file():
        path.write_bytes(b"")
  with pytest.raises(UserError) as error:
    load_metric(tmp_path)
  assert "\n" not in str(error.value)


def test_curvature_in_the_charts_of_points(workdir):
  """On a curve Gamma = d log g, R = - d dbar log g times g, and autodiff in the chart says so."""
  run = load_run(workdir)
  points = run.points(3)
  found = run.curvature(points.z)
  assert found.christoffel.shape == (3, 1, 1, 1) and found.riemann.shape == (3, 1, 1, 1, 1)
  chart = run.chart(points.z[2])
  log = lambda u: jnp.log(chart.metric(u)[0, 0].real)
  slope, hessian = jax.jit(lambda u: (jax.grad(log)(u), jax.hessian(log)(u)))(chart.u)
  gamma = 0.5 * (slope[0] - 1j * slope[1])
  np.testing.assert_allclose(found.christoffel[2, 0, 0, 0], gamma, rtol=1e-8)
  ricci = -np.trace(hessian) / 4
  np.testing.assert_allclose(found.ricci[2, 0, 0], ricci, atol=1e-8)
  np.testing.assert_allclose(found.scalar[2], ricci / found.metric[2, 0, 0].real, atol=1e-8)


def test_a_network_follows_the_kaehler_modulus(workdir, monkeypatch):
  monkeypatch.setattr(tangent, "_FEWEST", 400)
  run = load_run(workdir)
  z = run.points(50).z
  moved = run.continued((1.1,))
  assert moved.variety.moduli == (1.1,)
  # A curve's flat metric is multiplied, and only the network's part of it is left to follow.
  np.testing.assert_allclose(moved.metric(z), 1.1 * run.metric(z), rtol=2e-4)
  left = dataclasses.replace(moved, params=run.params).metric(z) / run.metric(z) - 1.1
  assert np.max(np.abs(left)) > 2e-3
  slope = run.params_derivative(0)
  jax.tree.map(lambda a, b: np.testing.assert_equal(a.shape, b.shape), slope, run.params)
  chart = moved.chart(z[0])
  np.testing.assert_allclose(chart.metric(chart.u), moved.metric(z[0]), rtol=1e-9)
  np.testing.assert_array_equal(run.continued((1.0,)).metric(z), run.metric(z))
