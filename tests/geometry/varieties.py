"""Small varieties of every kind, and points on them found without the package's samplers."""

import numpy as np

from trainer.geometry import members
from trainer.geometry.polynomials import Polynomial
from trainer.geometry.variety import Variety

CONFIGURATIONS = {
  "cubic_curve": ((2,), ((3,),)),
  "quartic": ((3,), ((4,),)),
  "quintic": ((4,), ((5,),)),
  "cubic_pair": ((5,), ((3, 3),)),
  "bicubic": ((2, 2), ((3,), (3,))),
  "tetraquadric": ((1, 1, 1, 1), ((2,), (2,), (2,), (2,))),
  "triple": ((2, 2, 2), ((1, 1, 1), (1, 1, 1), (1, 1, 1))),
}


def random_variety(name, seed=0):
  """A random member of a configuration, with unequal Kaehler moduli."""
  ambient, degrees = CONFIGURATIONS[name]
  rng = np.random.default_rng(seed)
  polynomials = tuple(members.random_polynomial(ambient, column, rng) for column in zip(*degrees))
  return Variety(ambient, polynomials, tuple(1 + 0.5 * i for i in range(len(ambient))))


def sparse_variety(name, monomials=15):
  """A member with few monomials, perhaps singular somewhere: quick to compile, fine locally."""
  variety = random_variety(name)
  rng = np.random.default_rng(1)
  polynomials = []
  for q in variety.polynomials:
    size = len(q.exponents)
    chosen = rng.choice(size, min(size, monomials), replace=False)
    polynomials.append(
      Polynomial(tuple(q.exponents[i] for i in chosen), tuple(q.coefficients[i] for i in chosen))
    )
  return Variety(variety.ambient, tuple(polynomials), variety.moduli)


def some_points(variety, count, seed=0):
  """Points (count, N) by Newton's method from random starts; their distribution is unknown."""
  rng = np.random.default_rng(seed)
  z = rng.normal(size=(8 * count, variety.num_coordinates, 2)) @ np.array([1, 1j])
  for _ in range(30):
    dq = np.array([[p(z.T) for p in row] for row in variety.gradients]).transpose(2, 0, 1)
    values = np.array([q(z.T) for q in variety.polynomials]).T
    adjoint = dq.conj().transpose(0, 2, 1)
    z = z - (adjoint @ np.linalg.solve(dq @ adjoint, values[:, :, None]))[:, :, 0]
    for s in variety.factor_slices:
      largest = np.argmax(np.abs(z[:, s]), axis=1)[:, None]
      z[:, s] /= np.take_along_axis(z[:, s], largest, axis=1)
      np.put_along_axis(z[:, s], largest, 1, axis=1)
  error = np.max(np.abs([q(z.T) for q in variety.polynomials]), axis=0)
  return z[error < 1e-13][:count]
