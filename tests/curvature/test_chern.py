"""Chern densities of random curvature tensors against sums over permutations."""

import itertools
import math

import jax
import numpy as np
import pytest

from trainer.curvature import chern, contractions, forms


def _random(n, count=2):
  """Metrics, and tensors with R_{a bbar c dbar} = conj(R_{b abar d cbar}) and no other symmetry."""
  rng = np.random.default_rng(n)
  gaussian = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)
  a, r = gaussian(count, n, n), gaussian(count, n, n, n, n)
  g = a @ a.conj().transpose(0, 2, 1) + np.eye(n)
  return g, r + r.transpose(0, 2, 1, 4, 3).conj()


def _curvature(g, riemann):
  """T[k, a, c, d] = g^{k bbar} R_{a bbar c dbar} / pi at each point."""
  return np.einsum("pkb,pabcd->pkacd", np.linalg.inv(g).transpose(0, 2, 1), riemann) / math.pi


def _signed(n):
  for p in itertools.permutations(range(n)):
    yield p, np.linalg.det(np.eye(n)[list(p)])


def _bracket(*matrices):
  """[A, B, ..] = sum over permutations p, q of sgn p sgn q A_{p1 q1} B_{p2 q2} .."""
  n = len(matrices)
  return sum(
    s * t * math.prod(m[..., i, j] for m, i, j in zip(matrices, p, q))
    for (p, s), (q, t) in itertools.product(_signed(n), repeat=2)
  )


def test_threefold_formulas():
  """c_3 = ([t,t,t] - 3 [t, tr T T] + 2 [tr T T T]) / 6, c_2 J = ([t,t,J] - [tr T T, J]) / 2."""
  n = 3
  g, riemann = _random(n)
  classes = np.stack([g + np.eye(n), _random(n)[0][::-1] * 0.7], axis=1)
  curvature = _curvature(g, riemann)
  at = lambda k, a: curvature[:, k, a]
  index = range(n)
  t = sum(at(k, k) for k in index)
  pairs = list(itertools.product(index, repeat=2))
  cube = sum(_bracket(at(k, a), at(a, b), at(b, k)) for k, a in pairs for b in index)
  square = lambda j: sum(_bracket(at(k, a), at(a, k), j) for k, a in pairs)
  euler, c2 = jax.jit(chern.chern_densities)(g, riemann, classes)
  np.testing.assert_allclose(
    euler, ((_bracket(t, t, t) - 3 * square(t) + 2 * cube) / 6).real, rtol=1e-11
  )
  assert c2.shape == (2, 2)
  for i in range(2):
    j = classes[:, i]
    np.testing.assert_allclose(c2[:, i], ((_bracket(t, t, j) - square(j)) / 2).real, rtol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_euler_density_is_a_determinant(n):
  """c_n = sum_s sgn s [T^{s1}_1, .., T^{sn}_n]; c_1 is the trace."""
  g, riemann = _random(n, 1)
  curvature = _curvature(g, riemann)
  permutations, sign = (np.array(x) for x in zip(*_signed(n)))
  total = 0.0
  for s, sgn in zip(permutations, sign):
    product = 1.0
    for a in range(n):
      product = product * curvature[0, s[a], a][permutations[:, a][:, None], permutations[:, a]]
    total += sgn * (sign @ product @ sign)
  classes = g[:, None]
  densities = jax.jit(chern.chern_densities)(g, riemann, classes)
  np.testing.assert_allclose(densities.euler, total.real, rtol=1e-10)
  np.testing.assert_allclose(jax.jit(chern.euler_density)(g, riemann), densities.euler, rtol=1e-12)
  assert densities.c2.shape == (1, 1 if n > 1 else 0)
  if n == 2:
    np.testing.assert_allclose(densities.c2[:, 0], densities.euler, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_c2_and_the_kaehler_form(n):
  """c_2 omega^{n-2} = (n-2)! det g / (2 pi^2) (R^2 - |Ric|^2 - |Ric'|^2 + |Riem|^2).

  Ric' = g^{c dbar} R_{a bbar c dbar}: Ric of a Kaehler metric; so the density is not negative
  where the metric is Ricci-flat.
  """
  g, riemann = _random(n)
  raised = np.linalg.inv(g).transpose(0, 2, 1)
  squared = lambda h: np.einsum("pab,pcd,pad,pcb->p", h, h, raised, raised).real
  other = np.einsum("pcd,pabcd->pab", raised, riemann)
  curvature = (
    contractions.scalar(g, riemann) ** 2
    - squared(contractions.ricci(g, riemann))
    - squared(other)
    + np.einsum(
      "pabcd,pefgh,paf,peb,pch,pgd->p", riemann, riemann, *[raised] * 4, optimize=True
    ).real
  )
  determinant = np.linalg.det(g).real
  expected = math.factorial(n - 2) / (2 * math.pi**2) * determinant * curvature
  c2 = jax.jit(chern.chern_densities)(g, riemann, g[:, None]).c2[:, 0]
  np.testing.assert_allclose(c2, expected, rtol=1e-10)


def test_c2_of_pairs_of_classes_on_a_fourfold():
  """In the order of topology.c2: 11, 12, 22, polarised from J_1 + J_2."""
  g, riemann = _random(4, 1)
  j = np.stack([g, g.conj() + 2 * np.eye(4)], axis=1)
  density = jax.jit(lambda classes: chern.chern_densities(g, riemann, classes).c2[0])
  first, mixed, second = density(j)
  np.testing.assert_allclose(first, density(j[:, :1])[0], rtol=1e-12)
  np.testing.assert_allclose(second, density(j[:, 1:])[0], rtol=1e-12)
  both = density(j.sum(axis=1, keepdims=True))[0]
  np.testing.assert_allclose(both, first + 2 * mixed + second, rtol=1e-11)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_powers_of_a_form_are_determinants(n):
  """omega^n = n! det g, and mixed products are the brackets; they associate and commute."""
  g, _ = _random(n)
  matrices = [g + k * np.eye(n) for k in range(n)]
  one, *rest = (forms.from_matrix(m) for m in matrices)
  product = one
  for form in rest:
    product = form * product
  np.testing.assert_allclose(product.density(), _bracket(*matrices).real, rtol=1e-11)
  if n == 4:
    other = (one * rest[0]) * (rest[2] * rest[1])
    np.testing.assert_allclose(other.density(), product.density(), rtol=1e-11)
