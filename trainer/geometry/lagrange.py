"""L(z, lambda) = sum_a lambda_a Q_a(z): its zeros of first order are the singular points."""

from __future__ import annotations

import numpy as np

from trainer.geometry.polynomials import evaluate
from trainer.geometry.variety import Variety


class LagrangeSystem:
  """The gradient of L in x = (z, lambda), holomorphic, batched on the leading axis.

  Polynomials are divided by the norm of their coefficients, which gives residuals a scale.
  """

  def __init__(self, variety: Variety):
    n, k = variety.num_coordinates, variety.codimension
    self.num_coordinates = n
    # Parts of x whose scale is free.
    self.blocks = variety.factor_slices + (slice(n, n + k),)
    self._polynomials = variety.polynomials
    self._gradients = variety.gradients
    self._pairs = tuple(zip(*((i, j) for i in range(n) for j in range(i + 1)), strict=True))
    self._hessians = [
      [row[i].partial(j) for i, j in zip(*self._pairs, strict=True)] for row in variety.gradients
    ]
    self._scales = [np.linalg.norm(q.coefficients) for q in variety.polynomials]

  def __call__(self, x):
    """x (S, N + K) -> gradient (S, N + K), symmetric matrix of second derivatives (S, .., ..)."""
    n, k = self.num_coordinates, len(self._polynomials)
    z, multiplier = x[:, :n].T, x[:, n:]
    i, j = map(np.array, self._pairs)
    values = np.zeros((len(x), n + k), complex)
    jacobian = np.zeros((len(x), n + k, n + k), complex)
    for a, scale in enumerate(self._scales):
      gradient = np.stack(evaluate(self._gradients[a], z), axis=1) / scale
      values[:, n + a] = self._polynomials[a](z) / scale
      values[:, :n] += multiplier[:, a, None] * gradient
      jacobian[:, n + a, :n] = gradient
      jacobian[:, :n, n + a] = gradient
      second = multiplier[:, a, None] * np.stack(evaluate(self._hessians[a], z), axis=1) / scale
      hessian = np.zeros((len(x), n, n), complex)
      hessian[:, i, j] = hessian[:, j, i] = second
      jacobian[:, :n, :n] += hessian
    return values, jacobian

  def rescale(self, x):
    """Every block of x at norm 1."""
    return np.concatenate(
      [x[:, s] / np.linalg.norm(x[:, s], axis=1, keepdims=True) for s in self.blocks], axis=1
    )

  def scales_fixed(self, x):
    """Rows (S, m + 1, N + K) that a step must be orthogonal to, so as not to change scales."""
    rows = np.zeros((len(x), len(self.blocks), x.shape[1]), complex)
    for i, s in enumerate(self.blocks):
      rows[:, i, s] = x[:, s].conj()
    return rows
