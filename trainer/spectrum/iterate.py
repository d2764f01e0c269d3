"""Eigenfunctions where M and S are too large: by products with them, which points make one by one.

LOBPCG (Knyazev 2001): the best combinations of eigenfunctions X so far, of preconditioned residuals
W = T (S X - M X lambda) and of the last step P, again and again. T is the inverse of M on the
projective spaces, and X begins with the functions of a lower degree there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic
from trainer.devices import parallel
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background
from trainer.quadrature.functions import Functions
from trainer.spectrum import ambient, ritz
from trainer.spectrum.ritz import Found, Grams, Modes

# More functions than these have no matrices.
LARGE = 10_000
# Relative changes of eigenvalues that end iterations, and how many there are at most.
_TOLERANCE, _ITERATIONS = 1e-6, 60
# The last part of a block converges late, and is given up in the end.
_SPARE = 0.2


class _Block(NamedTuple):
  """R functions and their products, (R, N_k^2) each."""

  forms: np.ndarray
  mass: np.ndarray
  stiffness: np.ndarray

  def mixed(self, c: np.ndarray) -> _Block:
    """Combinations with coefficients c (R, L)."""
    return _Block(*(c.T @ part for part in self))

  def joined(self, other: _Block) -> _Block:
    return _Block(*map(np.concatenate, zip(self, other)))

  def without(self, other: _Block) -> _Block:
    """What is left of these functions across M-orthonormal others, scaled to mean square 1."""
    c = other.mass @ self.forms.T
    rest = _Block(*(a - c.T @ b for a, b in zip(self, other)))
    norms = np.sqrt(np.maximum(np.sum(rest.forms * rest.mass, axis=1), np.finfo(float).tiny))
    return _Block(*(part / norms[:, None] for part in rest))


def find(
  halves: Sequence[Background],
  functions: Functions,
  count: int,
  *,
  tolerance: float = _TOLERANCE,
  progress: Callable[[str], None] = lambda text: None,
) -> Found:
  """As trainer.spectrum.ritz.find, but some eigenfunctions fewer."""
  start = _start(functions, count)
  both = _iterate(halves, functions, start, count, tolerance, progress)
  kept = both[1][: max(1, round((1 - _SPARE) * len(both[1])))]
  of_halves = [
    _iterate([half], functions, both[0].forms, len(both[1]), tolerance, progress)[1]
    for half in halves
  ]
  shape = len(kept), functions.size, functions.size
  return Found(Modes(kept, both[0].forms[: len(kept)].reshape(shape), False), of_halves)


def _iterate(backgrounds, functions, start, count, tolerance, progress):
  """A block of at most `count` eigenfunctions, and their values."""
  block = _products(backgrounds, functions, start)
  found, values, _ = _best(block, min(count, len(start)))
  step, judged = None, max(1, round((1 - _SPARE) * len(values)))
  for i in range(_ITERATIONS):
    left = found.stiffness - values[:, None] * found.mass
    new = _products(backgrounds, functions, _preconditioned(functions, left)).without(found)
    space = found.joined(new if step is None else new.joined(step.without(found)))
    found, better, step = _best(space, len(values))
    change = np.max(np.abs(better - values)[:judged]) / np.abs(better[judged - 1])
    values = better
    progress(f"eigenfunctions: iteration {i + 1}, they change by {change:.0e}")
    if parallel.of_first_process(bool(change < tolerance)):
      break
  return found, values


def _best(space, count):
  """The lowest `count` eigenfunctions in a space, their values, and their part of new functions."""
  mass, stiffness = (space.forms @ part.T for part in space[1:])
  symmetric = lambda a: (a + a.T) / 2
  values, c, _ = ritz.eigenvectors(Grams(symmetric(mass), symmetric(stiffness)), count)
  new = c.copy()
  new[:count] = 0
  return space.mixed(c), values, space.mixed(new)


def _start(functions, count):
  """Functions of the least degree of which there are enough."""
  degree, forms = 0, np.zeros(0)
  while len(forms) < count:
    degree, before = degree + 1, len(forms)
    forms = ambient.embedded(functions, degree)
    if len(forms) == before:
      break
  return _real(forms)


def _preconditioned(functions, rows):
  h = rows.reshape(-1, functions.size, functions.size)
  return _real(ambient.inverse_mass(functions, _complex(h)))


def _products(backgrounds, functions, forms):
  """Functions with M and S of them, means over several backgrounds."""
  size = functions.size
  h = forms.reshape(-1, size, size)
  found = [at.integral(_applied(functions), h) for at in backgrounds]
  mass, stiffness = (np.mean(parts, axis=0).reshape(len(h), -1) for parts in zip(*found))
  return _Block(forms, mass, stiffness)


@functools.lru_cache(maxsize=16)
def _applied(functions):
  def sums(h, rows):
    frame = functions.frame(rows)

    def energies(h):
      u, slopes = fields.values(frame, h)
      squares = jnp.sum(slopes.real**2 + slopes.imag**2, axis=1)
      return jnp.sum(rows.volume @ u**2) / 2, 2 * jnp.sum(rows.volume @ squares)

    _, back = jax.vjp(energies, h)
    return tuple(back(part)[0] for part in ((1.0, 0.0), (0.0, 1.0)))

  return sums


def _complex(h):
  """The Hermitian forms (R, N, N) of real ones, see networks.algebraic.hermitian_matrix."""
  re, im = map(np.asarray, jax.vmap(algebraic.hermitian_matrix)(h))
  return re + 1j * im


def _real(forms):
  h = jax.vmap(algebraic.real_matrix)(forms.real, forms.imag)
  return np.asarray(h).reshape(len(forms), -1)
