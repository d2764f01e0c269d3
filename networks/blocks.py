"""The blocks of a Hermitian form that is invariant under phases, one for each charge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax.numpy as jnp
import numpy as np

from networks import positive


class Blocks(NamedTuple):
  """Where the entries of G, rho = sum_q Re(c_q conj(z^{l_q}) z^{r_q}), go in the blocks of H.

  Attributes:
    scales: (Q,) real, G_lr = scales_q c_q in scaled monomials.
    charges: for charges that have M monomials and R sections alike, B of them: which c_q, and, Q
      further, whose conjugate, is each entry of G (B, M, M), 2 Q if it vanishes; and the sections,
      (B, M, R) complex.
  """

  scales: np.ndarray
  charges: tuple[tuple[np.ndarray, np.ndarray], ...]


def of_charges(
  unitary: np.ndarray, charges: np.ndarray, left: np.ndarray, right: np.ndarray, scales: np.ndarray
) -> Blocks:
  """Finds them.

  Args:
    unitary: (M, N_k) complex, v = U s on the variety; each section is one of scaled monomials v of
      equal charge.
    charges: (M,) int.
    left, right: (Q,) int, the pairs of monomials, l <= r, of equal charge.
    scales: (M,), v over monomials.
  """
  count = len(left)
  entry = np.full((len(charges),) * 2, 2 * count)
  entry[right, left] = count + np.arange(count)
  entry[left, right] = np.arange(count)
  found = {}
  for charge in np.unique(charges):
    rows = np.flatnonzero(charges == charge)
    columns = np.flatnonzero(np.any(unitary[rows] != 0, axis=0))
    if len(columns):
      block = entry[np.ix_(rows, rows)], unitary[np.ix_(rows, columns)]
      found.setdefault(block[1].shape, []).append(block)
  return Blocks(
    np.where(left == right, 1, 0.5) / (scales[left] * scales[right]),
    tuple(tuple(np.stack(parts) for parts in zip(*same)) for same in found.values()),
  )


def matrices(blocks: Blocks, re: chex.Array, im: chex.Array | float) -> list[chex.Array]:
  """H of each charge, packed as networks.positive.packed, from c (Q,): arrays (B, 2 R, 2 R)."""
  re, im = blocks.scales.astype(re.dtype) * jnp.stack(jnp.broadcast_arrays(re, im))
  zero = jnp.zeros(1, re.dtype)
  re, im = jnp.concatenate([re, re, zero]), jnp.concatenate([im, -im, zero])
  result = []
  for entries, sections in blocks.charges:
    form = positive.packed(re[entries], im[entries])
    basis = positive.packed(sections.real, sections.imag).astype(re.dtype)
    result.append(jnp.swapaxes(basis, -1, -2) @ form @ basis)
  return result


def eigenvalues(matrices: Sequence[chex.Array]) -> chex.Array:
  """All of them, (N_k,)."""
  return jnp.concatenate([jnp.linalg.eigvalsh(m)[:, ::2].ravel() for m in matrices])


def raises(matrices: Sequence[chex.Array]) -> list[chex.Array]:
  """What has to be added to H for the floor of networks.positive, packed as H is."""
  systems = [jnp.linalg.eigh(m) for m in matrices]
  largest = jnp.max(jnp.stack([jnp.max(values) for values, _ in systems]))
  return [
    (vectors * positive.lift(values, largest)[:, None, :]) @ jnp.swapaxes(vectors, -1, -2)
    for values, vectors in systems
  ]
