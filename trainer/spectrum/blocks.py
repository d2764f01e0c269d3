"""Eigenfunctions where the metric has a group of symmetries: M and S in blocks, means over it.

Phases z_i -> exp(2 pi i p_i / order) z_i turn f_AB by the difference of charges of A and B: M and S
vanish between functions of different charge. Permutations and complex conjugation map blocks to
each other, and real basis functions of monomials to one another, up to a sign. The mean of M over
the group is that of means over all images of the points: multiplets are degenerate then.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic, symmetry
from networks.symmetry import Generators
from trainer.geometry import sections
from trainer.geometry.sections import SectionBasis
from trainer.geometry.variety import Variety
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Background
from trainer.quadrature.functions import Functions
from trainer.spectrum import ritz
from trainer.spectrum.ritz import Found, Grams, Modes


class Orbit(NamedTuple):
  """Blocks that the group maps onto each other, O of them, of n basis functions.

  Attributes:
    members: (O, n), their functions; of block o those that the group element `to[o]` makes of the
      first block's.
    to: (O,).
    images: (G, n), which function each of G group elements makes of the first block's.
    signs: (G, n), and its sign.
    turned: (n,), the place of the function that a phase i makes of each of the first block's; None
      where charges are their own negatives.
    turned_signs: (n,).
  """

  members: np.ndarray
  to: np.ndarray
  images: np.ndarray
  signs: np.ndarray
  turned: np.ndarray | None
  turned_signs: np.ndarray | None


@dataclasses.dataclass(frozen=True, eq=False)
class Blocks:
  """The functions of a degree, sorted by a group.

  Attributes:
    functions: f_AB of monomials, those that vanish on the variety included.
    orbits: of blocks.
    unitary: (M, N_k) complex, scaled monomials v = U s from the sections s.
  """

  functions: Functions
  orbits: tuple[Orbit, ...]
  unitary: np.ndarray


@functools.lru_cache(maxsize=16)
def make(variety: Variety, degree: int, group: Generators) -> Blocks:
  """Sorts the functions of degree k; ValueError if the group does not preserve the variety."""
  basis = sections.section_basis(variety, (degree,) * len(variety.ambient))
  symmetry.check_group(basis.exponents, basis.coefficients, variety.ambient, group)
  scales = sections.monomial_scales(variety.ambient, basis.exponents)
  monomials = SectionBasis(basis.exponents, np.diag(scales).astype(complex))
  unitary = sections.unitary(variety.ambient, basis)
  functions = Functions(variety.ambient, monomials)
  return Blocks(functions, tuple(_orbits(basis.exponents, group)), unitary)


def find(halves: Sequence[Background], blocks: Blocks, count: int) -> Found:
  """As trainer.spectrum.ritz.find, with means over the group."""
  first, second = (grams(half, blocks) for half in halves)
  both = [Grams(*((a + b) / 2 for a, b in zip(*pair))) for pair in zip(first, second)]
  # Twice as many, for these may come in another order.
  of_halves = [solve(blocks, m, 2 * count).values for m in (first, second)]
  return Found(solve(blocks, both, count), of_halves)


def grams(background: Background, blocks: Blocks) -> list[Grams]:
  """M and S of the first block of every orbit, (n, n) each, means over the group."""
  found = background.integral(_products(blocks))
  return [
    Grams(*(mean(orbit, matrices) for matrices in pair))
    for orbit, pair in zip(blocks.orbits, found, strict=True)
  ]


def solve(blocks: Blocks, matrices: Sequence[Grams], count: int) -> Modes:
  """The lowest `count` eigenfunctions or somewhat more: all images of those there are."""
  found = [ritz.eigenvectors(pair, count) for pair in matrices]
  values = np.concatenate([values for values, _, _ in found])
  number = np.repeat(np.arange(len(found)), [len(v) for v, _, _ in found])
  copies = np.array([len(orbit.members) for orbit in blocks.orbits])[number]
  order = np.argsort(values, kind="stable")
  enough = 1 + np.searchsorted(np.cumsum(copies[order]), count)
  kept = np.isin(np.arange(len(values)), order[:enough])
  size = blocks.functions.size
  forms = [
    images(orbit, vectors[:, kept[number == i]], size)
    for i, (orbit, (_, vectors, _)) in enumerate(zip(blocks.orbits, found, strict=True))
  ]
  values = np.repeat(values[kept], copies[kept])
  order = np.argsort(values, kind="stable")
  forms = np.asarray(in_sections(blocks.unitary, np.concatenate(forms)[order]))
  complete = enough >= len(kept) and all(len(v) == rank for v, _, rank in found)
  return Modes(values[order], forms, complete)


def mean(orbit: Orbit, matrices: np.ndarray) -> np.ndarray:
  """The mean over the group of bilinear forms (O, n, n) of all blocks, as one of the first."""
  block, place = np.zeros((2, orbit.members.max() + 1), int)
  block[orbit.members], place[orbit.members] = np.indices(orbit.members.shape)
  total = np.zeros(matrices.shape[1:])
  for image, sign in zip(orbit.images, orbit.signs, strict=True):
    at = place[image]
    total += np.outer(sign, sign) * matrices[block[image[0]]][np.ix_(at, at)]
  total /= len(orbit.images)
  if orbit.turned is None:
    return total
  signs = np.outer(orbit.turned_signs, orbit.turned_signs)
  return (total + signs * total[np.ix_(orbit.turned, orbit.turned)]) / 2


def images(orbit: Orbit, vectors: np.ndarray, size: int) -> np.ndarray:
  """The forms (L O, N, N) of functions (n, L) of the first block, and of their images in others."""
  forms = np.zeros((vectors.shape[1], len(orbit.members), size**2))
  for o, (members, g) in enumerate(zip(orbit.members, orbit.to, strict=True)):
    forms[:, o, members] = (orbit.signs[g][:, None] * vectors).T
  return forms.reshape(-1, size, size)


def _orbits(exponents, group):
  size = len(exponents)
  charges = symmetry.charges(exponents, group)
  low, high = (f(*np.divmod(np.arange(size**2), size)) for f in (np.minimum, np.maximum))
  charge = (charges[high] - charges[low]) % group.order
  negative = -charge % group.order
  first = np.argmax(charge != negative, axis=1) if charge.shape[1] else np.zeros(size**2, int)
  rows = np.arange(size**2)
  gap = (charge - negative)[rows, first] if charge.shape[1] else np.zeros(size**2, int)
  label = np.unique(np.where(gap[:, None] > 0, charge, negative), axis=0, return_inverse=True)[1]
  label = label.ravel() if charge.shape[1] else np.zeros(size**2, int)
  maps = symmetry.permutations(exponents, group)
  done = set()
  for chosen in range(label.max() + 1):
    if chosen in done:
      continue
    own = np.flatnonzero(label == chosen)
    moved, signs = _act(own, size, maps, group.conjugation)
    labels, to = np.unique(label[moved[:, 0]], return_index=True)
    to = np.sort(to)
    done |= set(labels.tolist())
    turned = turned_signs = None
    if gap[own[0]]:
      row, column = np.divmod(own, size)
      place = np.zeros(size**2, int)
      place[own] = np.arange(len(own))
      turned = place[column * size + row]
      turned_signs = np.sign(gap[own]) * np.where(row < column, 1, -1)
    yield Orbit(moved[to], to, moved, signs, turned, turned_signs)


def _act(own, size, maps, conjugation):
  """What permutations (K, M) of monomials, and conjugation, make of entries of h: (G, n) each."""
  row, column = np.divmod(own, size)
  a, b = maps[:, np.minimum(row, column)], maps[:, np.maximum(row, column)]
  low, high, imaginary = np.minimum(a, b), np.maximum(a, b), row > column
  images = np.where(imaginary, high * size + low, low * size + high)
  signs = np.where(imaginary & (a > b), -1, 1)
  if conjugation:
    images = np.concatenate([images, images])
    signs = np.concatenate([signs, signs * np.where(imaginary, -1, 1)])
  return images, signs


@jax.jit
def in_sections(unitary: jax.Array, forms: jax.Array) -> jax.Array:
  """Forms (L, N_k, N_k) real of sections from those of monomials: v* G v = s* U* G U s."""

  def one(h):
    re, im = algebraic.hermitian_matrix(h)
    g = unitary.conj().T @ jax.lax.complex(re, im) @ unitary
    return algebraic.real_matrix(g.real, g.imag)

  return jax.lax.map(one, forms)


@functools.lru_cache(maxsize=16)
def _products(blocks):
  def sums(_, rows):
    frame = blocks.functions.frame(rows)
    slopes = fields.slope_features(frame)
    features = [fields.value_features(frame), *jnp.moveaxis(slopes, 1, 0)]

    def product(f, members):
      f = f[:, members]
      return jnp.einsum("poa,pob->oab", rows.volume[:, None, None] * f, f)

    found = []
    for orbit in blocks.orbits:
      mass, *stiffness = (product(f, orbit.members) for f in features)
      found.append((mass, 4 * sum(stiffness)))
    return found

  return sums
