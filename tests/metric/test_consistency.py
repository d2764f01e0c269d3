"""Metrics that are Kaehler and well defined, and some that are not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic, k3_quartic
from networks import algebraic
from tests.geometry import varieties
from trainer.curvature import autodiff
from trainer.errors import UserError
from trainer.geometry import description, hermitian, patches, topology
from trainer.geometry import symmetries as maps
from trainer.geometry.parse import parse_polynomial
from trainer.geometry.variety import Variety
from trainer.metric import ansatz as ansatze
from trainer.metric import consistency, pointwise
from trainer.metric.ansatz import Ansatz
from trainer.points import dataset

_CUBIC = description.make_variety(fermat_cubic.get_config())
_QUARTIC = description.make_variety(k3_quartic.get_config())
# A curve in P^1 x P^1.
_CONICS = Variety(
  (1, 1),
  (parse_polynomial("z0^2*z2^2 + z1^2*z3^2 + (1+1j)*z0*z1*z2*z3 + z0^2*z3^2 - 2*z1^2*z2^2", 4),),
  (1.0, 0.5),
)


# Rows whose geometry and metric are computed at once.
_ROWS = 256


def _metric(variety, ansatz, params):
  """(z, charts) -> g, as a certificate offers it."""
  evaluate = jax.jit(ansatz.metric)

  def metric(z, charts):
    parts = []
    for start in range(0, len(z), _ROWS):
      of = lambda a: a[start : start + _ROWS]  # noqa: B023
      padded = lambda a: np.concatenate([of(a), a[:1].repeat(_ROWS - len(of(a)), 0)])
      at, of_charts = padded(z), jax.tree.map(padded, charts)
      ones = np.ones(_ROWS)
      batch = dataset.prepare_on_host(variety, at, ones, np.dtype(float), _ROWS, of_charts)
      parts.append(np.asarray(hermitian.unpack(evaluate(params, batch)))[: len(of(z))])
    return np.concatenate(parts)

  return metric


def _errors(variety, ansatz, params, symmetries=(), count=12):
  z = varieties.some_points(variety, count)
  volume = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  return consistency.errors(variety, volume, z, _metric(variety, ansatz, params), symmetries)


def _conformal(factor):
  """The Fubini-Study metric times a function of x (B, 2N)."""
  return Ansatz(None, lambda params, batch: batch.fubini_study.T * factor(batch.x), "conformal")


def _invariant(x):
  z = x[:, : x.shape[1] // 2] ** 2 + x[:, x.shape[1] // 2 :] ** 2
  return 1 + 0.5 * z[:, 0] / jnp.sum(z, axis=1)


@pytest.mark.parametrize(
  "variety, network",
  [
    (_CUBIC, "phi_mlp(widths=(4,))"),
    (_QUARTIC, "algebraic(degree=1)"),
    (_CONICS, "phi_mlp(widths=(4,))"),
  ],
)
def test_d_dbar_of_a_potential_is_kaehler_and_the_same_everywhere(variety, network):
  ansatz = ansatze.make_ansatz(variety, network)
  params = jax.tree.map(lambda a: a + 0.1, ansatz.init(jax.random.key(0)))
  errors = _errors(variety, ansatz, params)
  assert len(errors["kaehler"]) >= 8
  assert np.max(errors["kaehler"]) < 1e-9 and np.max(errors["cocycle"]) < 1e-9


def test_a_conformal_factor_is_not_kaehler():
  """d_a (f g_{b cbar}) - d_b (f g_{a cbar}) = (d_a f) g_{b cbar} - (d_b f) g_{a cbar}."""
  errors = _errors(_QUARTIC, _conformal(_invariant), {})
  assert np.max(errors["cocycle"]) < 1e-12
  assert np.min(errors["kaehler"]) > 1e-3
  exact = _exact_kaehler_error(_QUARTIC, _conformal(_invariant), errors["x"])
  np.testing.assert_allclose(errors["kaehler"], exact, rtol=1e-8)
  # On a curve every metric is Kaehler.
  errors = _errors(_CUBIC, _conformal(_invariant), {})
  assert np.max(errors["kaehler"]) == 0


def _exact_kaehler_error(variety, ansatz, x):
  """That of autodiff in the best chart of points x (B, 2N)."""

  def at(x):
    z = jax.lax.complex(*jnp.split(x, 2))
    chart = patches.choose_chart(variety, z)
    pullback, n = patches.pullback(variety, z, chart), variety.dimension

    def along(u):
      w = z + jax.lax.complex(u[:n], u[n:]) @ pullback
      return pointwise.metric_in_chart(variety, ansatz, {}, w, chart)

    return autodiff.kaehler_error(along)(jnp.zeros(2 * n))

  return jax.jit(jax.vmap(at))(x)


def test_what_depends_on_the_scaling_of_points_is_no_metric():
  scaled = lambda x: jnp.sum(x**2, axis=1)
  errors = _errors(_QUARTIC, _conformal(scaled), {})
  assert np.max(errors["cocycle"]) > 0.1


def test_symmetries_of_a_metric():
  """Fubini-Study has all; times 1 + |z_0|^2 / 2 |z|^2 those that leave z_0 where it is."""
  symmetries = maps.make_symmetries(
    _QUARTIC, 4, [(0, 1, 2, 3)], [(0, 2, 3, 1), (1, 2, 3, 0)], conjugation=True
  )
  for factor, rotation_kept in ((lambda x: jnp.ones(len(x)), True), (_invariant, False)):
    errors = _errors(_QUARTIC, _conformal(factor), {}, symmetries)
    x, errors = errors["x"], errors["symmetry"]
    assert errors.shape == (len(x), 4)
    largest = dict(zip([s.name for s in symmetries], np.max(errors, axis=0), strict=True))
    assert (largest.pop("permutation (1, 2, 3, 0)") < 1e-12) == rotation_kept
    assert max(largest.values()) < 1e-12
  # |g' / g - 1| of g' at the image, where z_0 is what z_1 was.
  z = x[:, :4] + 1j * x[:, 4:]
  image = z[:, [1, 2, 3, 0]]
  at = lambda z: _invariant(np.concatenate([z.real, z.imag], axis=1))
  np.testing.assert_allclose(errors[:, 2], np.abs(at(image) / at(z) - 1), rtol=1e-9)


def test_symmetries_of_an_algebraic_metric():
  """A real form has conjugation, a random one has no symmetry."""
  (conjugation,) = maps.make_symmetries(_QUARTIC, conjugation=True)
  (phases,) = maps.make_symmetries(_QUARTIC, 4, phases=[(1, 0, 0, 0)])
  ansatz = ansatze.make_ansatz(_QUARTIC, "algebraic(degree=1)")
  h = np.random.default_rng(0).normal(size=(2, 4, 4))
  symmetric = 10 * np.eye(4) + h[0] + h[0].T
  for imaginary, real in ((0 * h[1], True), (h[1] - h[1].T, False)):
    packed = algebraic.real_matrix(jnp.asarray(symmetric), jnp.asarray(imaginary))
    params = jax.tree.map(lambda a: packed, ansatz.init(jax.random.key(0)))
    found = _errors(_QUARTIC, ansatz, params, (conjugation, phases))["symmetry"]
    assert (np.max(found[:, 0]) < 1e-10) == real
    assert np.max(found[:, 1]) > 1e-3


def test_what_preserves_no_variety_is_no_symmetry():
  assert maps.make_symmetries(_CONICS) == ()
  with pytest.raises(UserError, match="config.symmetries: complex conjugation does not preserve"):
    maps.make_symmetries(_CONICS, conjugation=True)
  with pytest.raises(UserError, match=r"phases \(1, 0, 0, 0\) of order 3 do not preserve"):
    maps.make_symmetries(_QUARTIC, 3, phases=[(1, 0, 0, 0)])


def test_the_largest_errors_and_their_places():
  kaehler, cocycle = np.array([0.0, 2.0, 1.0, 9.0]), np.array([3.0, 0.0, 1.0, 9.0])
  x = np.arange(24.0).reshape(4, 6)
  weight = np.array([1.0, 1, 1, 0])
  values = {"kaehler": kaehler, "cocycle": cocycle, "x": x, "weight": weight}
  values["symmetry"] = np.array([[1.0, 2], [5, 0], [1, 3], [9, 9]])
  symmetries = maps.make_symmetries(_CUBIC, permutations=[(1, 0, 2)], conjugation=True)
  found = consistency.findings(_CUBIC, 9.0, 1, values, symmetries)
  # In units of Vol^(-1 / 2).
  assert found.measures["kaehler_error"].value == pytest.approx(6)
  assert found.measures["cocycle_error"].value == 3
  assert found.sections["extreme_points"]["cocycle_error"] == {
    "value": 3.0,
    "z": [[0, 3], [1, 4], [2, 5]],
  }
  assert found.measures["symmetry_error"].value == 5
  of_each = {name: error["value"] for name, error in found.sections["symmetries"].items()}
  assert of_each == {"permutation (1, 0, 2)": 5, "complex conjugation": 3}
