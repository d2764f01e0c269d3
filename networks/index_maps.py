"""Constant matrices between packed real rows and the complex entries they stand for.

Sums over index pairs, written as one matrix product each, stay small programs where lists of
entries would be hundreds of operations to compile.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks.split_complex import Complex


def symmetric_pairs(n: int) -> list[tuple[int, int]]:
  """The pairs a <= c, row by row."""
  return list(itertools.combinations_with_replacement(range(n), 2))


@functools.cache
def pair_index(n: int) -> np.ndarray:
  """(n, n) integers: where the pair {a, c} is among `symmetric_pairs`."""
  index = np.zeros((n, n), int)
  for k, (a, c) in enumerate(symmetric_pairs(n)):
    index[a, c] = index[c, a] = k
  return index


def join(*indices: np.ndarray) -> np.ndarray:
  """Arrays of indices on a new first axis: to pick entries together is one loop to compile."""
  return np.stack(np.broadcast_arrays(*indices))


def vector(n: int) -> np.ndarray:
  """(n, 2n) complex: entries of a complex vector from its rows [Re | Im]."""
  return np.hstack([np.eye(n), 1j * np.eye(n)])


def form(n: int) -> np.ndarray:
  """(n, n, n * n) complex: entries of a Hermitian form from its rows.

  The rows are [h_aa | Re h_ab (a<b) | Im h_ab (a<b)].
  """
  entries = np.zeros((n, n, n * n), complex)
  entries[range(n), range(n), range(n)] = 1
  a, b = np.triu_indices(n, 1)
  real = n + np.arange(len(a))
  entries[a, b, real] = entries[b, a, real] = 1
  entries[a, b, real + len(a)], entries[b, a, real + len(a)] = 1j, -1j
  return entries


def pack_vector(entries: np.ndarray) -> np.ndarray:
  """Rows [Re | Im] of entries (n, K) complex -> (2n, K) real."""
  return np.concatenate([entries.real, entries.imag])


def pack_form(entries: np.ndarray) -> np.ndarray:
  """Rows of a Hermitian form of entries (n, n, K) complex -> (n * n, K) real.

  The lower triangle is not read.
  """
  a, b = np.triu_indices(len(entries), 1)
  diagonal = entries[range(len(entries)), range(len(entries))]
  return np.concatenate([diagonal.real, entries[a, b].real, entries[a, b].imag])


def form_rows(
  entries: Callable[[np.ndarray, np.ndarray], Complex], n: int
) -> tuple[chex.Array, ...]:
  """Blocks of packed rows of a Hermitian form, from a function of arrays of indices."""
  diagonal, (first, second) = np.arange(n), np.triu_indices(n, 1)
  # In one call: every operation that entries are made of is a loop to compile.
  found = entries(np.concatenate([diagonal, first]), np.concatenate([diagonal, second]))
  return found.re, found.im[n:]


def derivative_rows(
  entries: Callable[[int | np.ndarray, int | np.ndarray], Complex], n: int
) -> chex.Array:
  """Rows of a jet of type (2, 2), see networks.jets22, from a function of arrays of indices.

  Args:
    entries: (i, j) -> d_i dbar_j of the function, the shape of i and j before that of the points;
      0 stands for no derivative, 1 + a for d_a, 1 + n + p for d_a d_c of the pair p.
    n: the number of complex directions.

  Returns:
    (R, ...) real.
  """
  m = n * (n + 1) // 2
  a, p = 1 + np.arange(n), 1 + n + np.arange(m)
  value = entries(0, 0).re
  vector = lambda c: [part.reshape(-1, *value.shape) for part in (c.re, c.im)]
  return jnp.concatenate(
    [
      value[None],
      *vector(entries(a, 0)),
      *form_rows(lambda i, j: entries(a[i], a[j]), n),
      *vector(entries(p, 0)),
      *vector(entries(p[:, None], a[None])),
      *form_rows(lambda i, j: entries(p[i], p[j]), m),
    ]
  )


def apply(matrix: np.ndarray, rows: chex.Array) -> chex.Array:
  """A constant real matrix (R', R) times rows (R, ...) -> (R', ...)."""
  return jnp.tensordot(
    jnp.asarray(matrix, rows.dtype), rows, 1, precision=jax.lax.Precision.HIGHEST
  )
