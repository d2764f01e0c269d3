"""The symmetry group that a config names, and means of bilinear forms over it.

For a map g of the manifold s(g z) = U s(z), U unitary, and functions s* H s become s* U* H U s. For
complex conjugation s(conj z) = U conj(s(z)), and they become s* (U* H U)^T s. In the mean over a
group of phases functions of different charge are orthogonal. The group is phases, times
permutations, times conjugation, each of which keeps those before it as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
import itertools

import numpy as np

from networks import sections as section_jets
from networks import symmetry
from networks.symmetry import Generators
from trainer.geometry.variety import Variety
from trainer.problem.network_text import parse_network, split_terms
from trainer.quadrature.functions import Functions
from trainer.run.run import Run


def of_run(run: Run) -> Generators | None:
  """The group of config.symmetries, else that of an invariant network; None if there is none."""
  named = [run.config.symmetries.to_dict()]
  first, *corrections = split_terms(run.network)
  name, arguments = parse_network(first)
  if name == "invariant" and not corrections:
    named.append({key: arguments[key] for key in named[0] if key in arguments})
  rows = lambda table: tuple(tuple(int(i) for i in row) for row in table)
  for fields in named:
    group = Generators(
      int(fields.get("order", 1)),
      rows(fields.get("phases", ())),
      rows(fields.get("permutations", ())),
      bool(fields.get("conjugation", False)),
    )
    if group.phases or group.permutations or group.conjugation:
      return group
  return None


def order(variety: Variety, group: Generators) -> int:
  """The number of different maps in a group."""
  first = np.repeat([s.start for s in variety.factor_slices], np.array(variety.ambient) + 1)
  # Equal phases of all coordinates of a projective space do nothing.
  reduced = lambda p: tuple((np.array(p) - np.array(p)[first]) % group.order)
  steps = {reduced(p) for p in symmetry.closed_phases(group)}
  phases = _closure([(0,) * len(first)], steps, lambda p, q: reduced(np.add(p, q)))
  return len(phases) * len(_permutations(group, len(first))) * (1 + group.conjugation)


def mean(functions: Functions, group: Generators) -> Callable[[np.ndarray], np.ndarray]:
  """What takes a symmetric bilinear form of functions (N_k^2, N_k^2) real to its group mean."""
  basis, ambient, size = functions.basis, functions.ambient, functions.size
  unitary = basis.coefficients.conj()
  unitary = unitary / section_jets.monomial_scales(ambient, basis.exponents)[:, None]
  equal = _equal_charges(functions, group)
  index = {tuple(row): i for i, row in enumerate(basis.exponents)}

  def of_permutation(row):
    to = [index[tuple(image)] for image in basis.exponents[:, np.argsort(row)]]
    return unitary.conj().T @ unitary[to]

  chain = [[of_permutation(row) for row in rows] for rows in _transversals(group, basis.exponents)]

  def of_form(form):
    form = _to_complex(_to_complex(form).conj().T).conj().T * equal
    for maps in chain:
      form = sum(_pulled(form, u) for u in maps) / len(maps)
    if group.conjugation:
      transposed = np.arange(size**2).reshape(size, size).T.ravel()
      mirrored = form[np.ix_(transposed, transposed)]
      form = (form + _pulled(mirrored, unitary.conj().T @ unitary.conj())) / 2
    return _to_real(_to_real(form).conj().T).conj().T.real

  return of_form


def _equal_charges(functions, group):
  """Which functions conj(s_A) s_B have equal phases, (N^2, N^2)."""
  basis, rows = functions.basis, symmetry.closed_phases(group)
  # Sections are combinations of monomials of one charge.
  exponents = basis.exponents[np.argmax(np.abs(basis.coefficients), axis=0)]
  charges = exponents @ np.array(rows, int).reshape(len(rows), -1).T if rows else exponents[:, :0]
  pairs = ((charges[None, :] - charges[:, None]) % group.order).reshape(functions.count, -1)
  if not rows:
    return np.ones((functions.count,) * 2, bool)
  label = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
  return label[:, None] == label


def _transversals(group, exponents):
  """Lists of permutations: the group is the products of one of each, the first acting first.

  Those of a list fix the coordinates before some i, and there is one for each that they take i to.
  """
  size = exponents.shape[1]
  members = _permutations(group, size)
  lists = []
  for i in range(size):
    lists.append({row.index(i): row for row in members})
    members = [row for row in members if row[i] == i]
  return [list(rows.values()) for rows in reversed(lists) if len(rows) > 1]


def _permutations(group, size):
  one = tuple(range(size))
  return _closure([one], group.permutations, lambda p, q: tuple(p[i] for i in q))


def _closure(known: Iterable, steps: Iterable, product: Callable) -> list:
  known, new = set(known), list(known)
  while new:
    new = {product(p, q) for p, q in itertools.product(new, steps)} - known
    known |= new
  return sorted(known)


def _pulled(form, u):
  """T* form T for T H = U* H U, form (N^2, N^2) in the entries of H."""

  def right(form):
    # form T, (U* H U)_cd = sum_ab conj(U_ac) U_bd H_ab.
    f = form.reshape(-1, *u.shape)
    return (u.conj() @ f @ u.T).reshape(form.shape)

  return right(right(form).conj().T).conj().T


def _to_complex(rows):
  """C rows: entries H (N^2, M) of Hermitian forms from those of real matrices h, C unitary."""
  h = rows.reshape(*2 * [round(len(rows) ** 0.5)], -1)
  i, j = np.indices(h.shape[:2])[..., None]
  t = h.swapaxes(0, 1)
  half = 0.5**0.5
  value = np.where(i == j, h + 0j, half * np.where(i < j, h - 1j * t, t + 1j * h))
  return value.reshape(rows.shape)


def _to_real(rows):
  """The inverse of `_to_complex`."""
  h = rows.reshape(*2 * [round(len(rows) ** 0.5)], -1)
  i, j = np.indices(h.shape[:2])[..., None]
  t = h.swapaxes(0, 1)
  half = 0.5**0.5
  value = np.where(i == j, h, half * np.where(i < j, h + t, 1j * (t - h)))
  return value.reshape(rows.shape)
