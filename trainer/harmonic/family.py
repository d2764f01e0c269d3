"""All deformations at once: the Weil-Petersson metric and the Yukawa couplings as arrays.

Formulas are those of trainer.harmonic.deformations; errors by a jackknife over groups of slices.
Where the Jacobian ring has the couplings up to one factor, that factor is fitted.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

# Groups of slices, and numbers of couplings at most.
_GROUPS, _MOST = 20, 2_000_000


class Estimate(NamedTuple):
  """Attributes: value, complex or real, of any shape, and the stderr of its modulus."""

  value: np.ndarray
  stderr: np.ndarray


class Family(NamedTuple):
  """Of m deformations of a manifold of dimension n, with integral |Omega|^2 = 1.

  Attributes:
    metric: G (m, m) complex.
    couplings: kappa (m,) * n complex, symmetric; None where there are too many.
    yukawa: y_i = |kappa_ii..| G_ii^{-n/2} (m,), of kappa or c L, whichever has the smaller error;
      None like them.
    exact: c L_ij.., L the couplings of the Jacobian ring; its errors are those of c. None where
      they are not known.
    deviation: rms of |kappa - c L| over the errors of kappa; None of a single coupling, too.
  """

  metric: Estimate
  couplings: Estimate | None = None
  yukawa: Estimate | None = None
  exact: Estimate | None = None
  deviation: float | None = None


class _Sums(NamedTuple):
  """Over points of |Omega|^2: of 1, mu_i conj(mu_j), k_i, k_i conj(k_j) and n! det(mu_i, ..)."""

  weight: float
  square: np.ndarray
  stretch: np.ndarray
  stretches: np.ndarray
  determinant: np.ndarray


def measure(
  values: dict[str, np.ndarray], points_per_slice: int, ratios: np.ndarray | None = None
) -> Family:
  """G, kappa and y.

  Args:
    values: of trainer.harmonic.deformations.at_points.
    points_per_slice: points that are correlated.
    ratios: L (m,) * n, of trainer.geometry.jacobian_ring.couplings.
  """
  count = len(values["weight"])
  m, n = values["mu"].shape[2:4]
  group = np.arange(count) // points_per_slice * _GROUPS // (-(-count // points_per_slice))
  few = m**n <= _MOST
  of_groups = [_sums(values, group == g, few) for g in range(group[-1] + 1)]
  total = _Sums(*[sum(parts) for parts in zip(*of_groups)])
  without = [_Sums(*[a - b for a, b in zip(total, part)]) for part in of_groups]
  estimate = lambda f: _jackknife(f(total), (f(part) for part in without), len(without))
  family = Family(estimate(_metric))
  if not few:
    return family
  couplings = lambda s: s.determinant / s.weight
  diagonal = lambda a: np.einsum(a, [0] * n, [0])
  physical = lambda kappa, s: abs(diagonal(kappa)) * np.diagonal(_metric(s)).real ** (-n / 2)
  kappa, yukawa = estimate(couplings), estimate(lambda s: physical(couplings(s), s))
  if ratios is None:
    return family._replace(couplings=kappa, yukawa=yukawa)
  weight = ratios.conj() / kappa.stderr**2
  weight /= np.sum(weight * ratios)
  factor = lambda s: np.sum(weight * couplings(s))
  exact = estimate(lambda s: factor(s) * ratios)
  other = estimate(lambda s: physical(factor(s) * ratios, s))
  better = other.stderr < yukawa.stderr
  off = abs(kappa.value - exact.value) / kappa.stderr
  return Family(
    family.metric,
    kappa,
    Estimate(*[np.where(better, a, b) for a, b in zip(other, yukawa, strict=True)]),
    exact,
    float(np.sqrt(np.mean(off**2))) if off.size > 1 else None,
  )


def _metric(sums: _Sums) -> np.ndarray:
  k = sums.stretch / sums.weight
  return (sums.square - sums.stretches) / sums.weight + np.outer(k, k.conj())


def _jackknife(whole, parts, count) -> Estimate:
  first = second = 0.0
  for part in parts:
    first, second = first + part, second + abs(part - whole) ** 2
  spread = second - count * abs(first / count - whole) ** 2
  return Estimate(whole, np.sqrt((count - 1) / count * np.maximum(spread, 0)))


def _sums(values, chosen, with_couplings) -> _Sums:
  weight, k, mu = values["weight"][chosen], values["stretch"][1][chosen], values["mu"][1][chosen]
  m, n = mu.shape[1:3]
  flat = lambda a: np.moveaxis(a, 1, 0).reshape(m, -1)
  weighted = weight[:, None, None, None] * mu
  determinant = np.zeros(())
  if with_couplings:
    phase = weight * values["phase"][chosen]
    form = np.multiply.outer(phase, _determinant_form(n))
    determinant = _contract(form, mu.reshape(*mu.shape[:2], -1))
  return _Sums(
    np.sum(weight),
    flat(weighted) @ flat(mu.swapaxes(2, 3)).conj().T,
    weight @ k,
    (weight[:, None] * k).T @ k.conj(),
    determinant,
  )


def _determinant_form(n: int) -> np.ndarray:
  """E with n! det(A, B, ..) = E A B .., det polarised and matrices as vectors: (n^2,) * n."""
  epsilon = np.zeros((n,) * n)
  for p in itertools.permutations(range(n)):
    epsilon[p] = np.linalg.det(np.eye(n)[list(p)])
  both = np.multiply.outer(epsilon, epsilon)
  # a_1 d_1 a_2 d_2 ..
  return np.moveaxis(both, range(n), range(0, 2 * n, 2)).reshape((n * n,) * n)


def _contract(form: np.ndarray, x: np.ndarray) -> np.ndarray:
  """sum_p form_p(x_pi, x_pj, ..): (P, d, .., d) and x (P, m, d) -> (m, .., m)."""
  m = x.shape[1]
  if form.ndim == 2:
    return np.einsum("px,pix->i", form, x)
  if form.ndim == 3:
    flat = lambda a: np.moveaxis(a, 1, 0).reshape(m, -1)
    return flat(x @ form) @ flat(x).T
  half = lambda i: np.einsum("px,px...->p...", x[:, i], form)
  return np.stack([_contract(half(i), x) for i in range(m)])
