import numpy as np
import pytest

from trainer.certificate import slice_picture
from trainer.geometry.parse import parse_polynomial
from trainer.geometry.variety import Variety

_GRID = np.linspace(-1, 1, 41) + 1j * np.linspace(-1, 1, 41)[:, None]


def _variety(ambient, *texts):
  size = sum(ambient) + len(ambient)
  return Variety(ambient, tuple(parse_polynomial(t, size) for t in texts), (1.0,) * len(ambient))


def _quartic():
  return _variety((3,), "z0^4 + z1^4 + z2^4 + z3^4 + z0*z1*z2*z3")


def _tri_quadric():
  return _variety(
    (1, 1, 1), "(z0^2+2*z1^2)*(z2^2+z3^2)*(z4^2+z5^2) + 3*z0*z1*z2^2*z4*z5 + z0^2*z2*z3*z4^2"
  )


@pytest.mark.parametrize("variety, sheets", [(_quartic(), 4), (_tri_quadric(), 2)])
def test_the_curve_lies_on_the_manifold_on_different_sheets(variety, sheets):
  z = slice_picture.curve(variety, _GRID, seed=0)
  assert z.shape == (sheets, 41, 41, variety.num_coordinates)
  assert np.abs(variety.polynomials[0](np.moveaxis(z, -1, 0))).max() < 1e-11
  distance = np.linalg.norm(z[:, None] - z[None], axis=-1) + np.eye(sheets)[..., None, None]
  assert np.median(distance.min((0, 1))) > 0.1
  # Every factor moves, so that the picture shows all of the metric.
  for s in variety.factor_slices:
    direction = z[..., s] / z[..., s.start : s.start + 1]
    assert np.std(direction[..., 1:], axis=(0, 1, 2)).min() > 0.1


def test_sheets_are_continuous_along_columns():
  z = slice_picture.curve(_quartic(), _GRID, seed=0)
  jumps = np.linalg.norm(np.diff(z, axis=1), axis=-1)
  shuffled = np.sort_complex(z[..., 0].transpose(1, 2, 0)).transpose(2, 0, 1)
  assert (jumps > 0.4).mean() < 0.005
  assert (np.abs(np.diff(shuffled, axis=1)) > 0.4).mean() > 0.01  # The grid does have crossings.


def test_a_picture_shows_the_given_function():
  picture = slice_picture.compute_slice_picture(
    _quartic(), lambda z: np.abs(z[:, 0]), seed=1, resolution=20
  )
  assert picture.u.shape == (20, 20) and picture.u[3, 5].imag < picture.u[4, 5].imag
  z = slice_picture.curve(_quartic(), picture.u, seed=1)
  np.testing.assert_allclose(np.stack(picture.sheets), np.abs(z[..., 0]))
  assert picture.labels == ("sheet 1", "sheet 2", "sheet 3", "sheet 4")


def test_lost_roots_are_blank(monkeypatch):
  curve = slice_picture.curve

  def with_hole(*args):
    z = curve(*args)
    z[2, 3, 4] = np.nan
    return z

  monkeypatch.setattr(slice_picture, "curve", with_hole)

  def field(z):
    assert np.isfinite(z).all()
    return np.full(len(z), 1.5)

  picture = slice_picture.compute_slice_picture(_quartic(), field, resolution=20)
  assert np.isnan(picture.sheets[2][3, 4]) and np.nansum(picture.sheets) == 1.5 * (1600 - 1)


def test_no_picture_of_several_polynomials():
  pair = _variety((4,), "z0^2 + z1^2 + z2^2 + z3^2 + z4^2", "z0^3 + 2*z1^3 + z2^3 + z3^3 - z4^3")
  assert slice_picture.compute_slice_picture(pair, lambda z: z) is None
