"""Forms of algebraic metrics stay positive: their eigenvalues, and what raising the least does."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import algebraic, invariant, positive, symmetry
from networks import sections as section_jets
from tests.geometry import varieties
from tests.networks import test_invariant, test_low_rank
from trainer.geometry import sections


def _raised(form):
  """numpy's own."""
  values, vectors = np.linalg.eigh(form)
  least = positive.FLOOR * values[-1]
  assert values[0] < least < values[-2]  # Some are raised, some are not.
  return (vectors * np.maximum(values, least)) @ vectors.conj().T


def _module(make, method, params):
  return hk.without_apply_rng(hk.transform(lambda p: getattr(make(), method)(p))).apply({}, params)


def test_only_eigenvalues_below_the_floor_of_a_full_form_change():
  terms = lambda degree: [(1 / degree, *_plane_sections(degree))]
  make = lambda: algebraic.AlgebraicMetric((2,), (1.0,), terms, 2)
  size = 6
  rng = np.random.default_rng(0)
  form = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
  form = 0.5 * (form + form.conj().T) + np.eye(size)
  params = {"algebraic_metric": {"h": algebraic.real_matrix(form.real, form.imag)}}
  np.testing.assert_allclose(
    _module(make, "spectrum", params), np.linalg.eigvalsh(form), rtol=1e-12
  )
  admitted = _module(make, "admit", params)
  re, im = algebraic.hermitian_matrix(admitted["algebraic_metric"]["h"])
  np.testing.assert_allclose(re + 1j * im, _raised(form), atol=1e-13)
  again = _module(make, "admit", admitted)["algebraic_metric"]["h"]
  np.testing.assert_allclose(again, admitted["algebraic_metric"]["h"], atol=1e-15)
  fine = {"algebraic_metric": {"h": jnp.diag(jnp.array([1.0, 0.1, 2.0, 0.01, 1.0, 1.0]))}}
  np.testing.assert_array_equal(
    _module(make, "admit", fine)["algebraic_metric"]["h"], fine["algebraic_metric"]["h"]
  )


def test_the_floor_acts_on_each_form_of_several():
  terms = lambda degree: [(0.2, *_plane_sections(1)), (0.4, *_plane_sections(2))]
  make = lambda: algebraic.AlgebraicMetric((2,), (1.0,), terms, 1)
  small = np.diag([1e-7, 1.0, 2.0])
  large = 1e6 * np.diag([1e-7, 0.1, 1.0, 1.0, 1.0, 2.0])
  params = {"algebraic_metric": {"h_00": small, "h_01": large}}
  admitted = _module(make, "admit", params)["algebraic_metric"]
  for name, form in (("h_00", small), ("h_01", large)):
    np.testing.assert_allclose(admitted[name], _raised(form), rtol=1e-9, atol=1e-13 * form.max())
  spectrum = _module(make, "spectrum", {"algebraic_metric": admitted})
  expected = [positive.FLOOR, 0.5, 1.0, positive.FLOOR, 0.05, 0.5, 0.5, 0.5, 1.0]
  np.testing.assert_allclose(spectrum, expected, rtol=1e-9)


def _plane_sections(degree):
  return test_invariant._all_monomials((2,), (degree,))


@pytest.mark.parametrize("group", ["phases", "permutations"])
def test_an_invariant_form_is_raised_as_the_full_one_is(group):
  """Blocks by charges, or one block; the sections are those modulo the polynomial."""
  generators = test_invariant._DWORK._replace(conjugation=False)
  if group == "permutations":
    generators = generators._replace(phases=())
  basis = sections.section_basis(test_invariant._DWORK_QUINTIC, (5 if group == "phases" else 2,))
  forms = symmetry.invariant_forms(*basis, (4,), generators)
  make = lambda: invariant.InvariantMetric((4,), (1.0,), lambda k: basis, 5, **generators._asdict())
  rng = np.random.default_rng(1)
  h = forms.identity + 1.5 * rng.normal(size=forms.identity.shape)

  # H by hand: rho = sum_q Re(c_q conj(z^l) z^r) = v* G v, v = U s.
  scales = section_jets.monomial_scales((4,), basis.exponents)
  unitary = basis.coefficients.conj() / scales[:, None]
  c = forms.weights @ h + 1j * (0 if forms.twisted is None else forms.twisted @ h)
  g = np.zeros((len(scales),) * 2, complex)
  np.add.at(g, (forms.left, forms.right), c / 2)
  np.add.at(g, (forms.right, forms.left), c.conj() / 2)
  form = unitary.conj().T @ (g / np.outer(scales, scales)) @ unitary

  params = {"invariant_metric": {"h": jnp.asarray(h)}}
  values = np.sort(_module(make, "spectrum", params))
  np.testing.assert_allclose(values, np.linalg.eigvalsh(form), atol=1e-11)
  admitted = _module(make, "admit", params)["invariant_metric"]["h"]
  z = varieties.some_points(test_invariant._DWORK_QUINTIC, 20)
  z /= np.linalg.norm(z, axis=1, keepdims=True)
  s = np.prod(z[:, None, :] ** basis.exponents, axis=2) @ basis.coefficients
  expected = np.einsum("bi,ij,bj->b", s.conj(), _raised(form), s).real
  np.testing.assert_allclose(test_invariant._values(forms, z) @ admitted, expected, rtol=1e-10)


def test_a_low_rank_form_is_moved_towards_the_identity():
  (_, params), (_, full), *_ = test_low_rank._two_networks()
  make = lambda: test_low_rank.low_rank.LowRankMetric(
    test_low_rank._AMBIENT, test_low_rank._MODULI, test_low_rank._sections, 2, test_low_rank._RANK
  )
  params = jax.tree.map(lambda a: 3 * a, params)
  u, v = (
    params["low_rank_metric"][name][0] + 1j * params["low_rank_metric"][name][1] for name in "uv"
  )
  change = u @ v.conj().T + v @ u.conj().T
  values = np.linalg.eigvalsh(np.eye(len(u)) + change)
  found = np.asarray(_module(make, "spectrum", params))
  assert values[0] < 0
  np.testing.assert_allclose([found.min(), found.max()], values[[0, -1]], rtol=1e-12)
  after = np.asarray(_module(make, "spectrum", _module(make, "admit", params)))
  assert after.min() == pytest.approx(positive.FLOOR * after.max(), rel=1e-9)
