"""Functions f_AB of the projective spaces themselves, in which M is known in closed form.

Scaled monomials v_A of degree k are states of k bosons; a_i takes a boson of kind i away. A form G,
f = v* G v, of degree k - 1 is the same function as E(G) = sum_i a_i* G a_i / k of degree k, and

  D(G) = sum_ij a_i* a_j G a_j* a_i

is k (k + n) - m (m + n) on the functions of eigenvalue 4 pi m (m + n) of the Laplacian, of which
the integral of f^2 is proportional to |G|^2 / ((k - m)! (k + m + n)!).
"""

from __future__ import annotations

import functools
import math

import chex
import numpy as np

from trainer.geometry import sections
from trainer.geometry.variety import factor_slices
from trainer.quadrature.functions import Functions


def inverse_mass(functions: Functions, forms: np.ndarray) -> np.ndarray:
  """What M^-1 of the projective spaces makes of forms (R, N_k, N_k) complex, up to a factor.

  On the variety M is another matrix, but one whose small eigenvalues are where these are.
  """
  size = functions.size
  chex.assert_shape(forms, (None, size, size))
  u, degrees = _unitary(functions), _degrees(functions)
  g = u @ forms @ u.conj().T
  for factor, (n, k) in enumerate(zip(functions.ambient, degrees, strict=True)):
    lowering = _lowering(functions.ambient, degrees, factor)
    levels = np.arange(k + 1)
    roots = (k * (k + n) - levels * (levels + n)).astype(float)
    inverse = np.array([math.factorial(k - m) * math.factorial(k + m + n) for m in levels], float)
    g = _newton(functools.partial(_number, lowering), roots, inverse / inverse.min(), g)
  return u.conj().T @ g @ u


def embedded(functions: Functions, degree: int) -> np.ndarray:
  """Forms (R, N_k, N_k) complex of the real functions f_AB of a lower degree of the ambient space.

  Args:
    functions: of degree k.
    degree: in each factor, k at most; R = (number of monomials)^2.
  """
  ambient, degrees = functions.ambient, _degrees(functions)
  lower = [min(degree, k) for k in degrees]
  size = len(sections.monomials(ambient, lower))
  i, j = np.indices((size, size)).reshape(2, -1)
  g = np.zeros((size**2, size, size), complex)
  np.add.at(g, (np.arange(size**2), i, j), np.where(i <= j, 1, 1j))
  g = g + g.conj().transpose(0, 2, 1)
  for factor, k in enumerate(degrees):
    while lower[factor] < k:
      lower[factor] += 1
      g = _raised(_lowering(ambient, lower, factor), g)
  u = _unitary(functions)
  return u.conj().T @ g @ u


def _newton(product, roots, values, g):
  """p(D) g, p the polynomial with these values at these roots of D, by divided differences."""
  coefficients = np.array(values)
  for step in range(1, len(roots)):
    gaps = roots[step:] - roots[:-step]
    coefficients[step:] = (coefficients[step:] - coefficients[step - 1 : -1]) / gaps
  total = coefficients[0] * g
  for coefficient, root in zip(coefficients[1:], roots):
    g = product(g) - root * g
    total = total + coefficient * g
  return total


def _number(lowering, g):
  return _raised(lowering, sum(a @ g @ a.T for a in lowering))


def _raised(lowering, g):
  return sum(a.T @ g @ a for a in lowering)


def _lowering(ambient, degrees, factor) -> list[np.ndarray]:
  """a_i (M', M) of every coordinate of a factor, from a multidegree to one less there."""
  lower = [k - (i == factor) for i, k in enumerate(degrees)]
  exponents, below = (sections.monomials(ambient, d) for d in (degrees, lower))
  index = {tuple(row): place for place, row in enumerate(exponents)}
  found = []
  for i in range(*factor_slices(tuple(ambient))[factor].indices(exponents.shape[1])):
    a = np.zeros((len(below), len(exponents)))
    above = [index[tuple(row)] for row in below + np.eye(exponents.shape[1], dtype=int)[i]]
    a[np.arange(len(below)), above] = np.sqrt(below[:, i] + 1)
    found.append(a)
  return found


def _degrees(functions):
  row = functions.basis.exponents[0]
  return [int(row[part].sum()) for part in factor_slices(tuple(functions.ambient))]


def _unitary(functions):
  return sections.unitary(functions.ambient, functions.basis)
