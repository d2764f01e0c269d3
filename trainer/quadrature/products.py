"""Symmetric matrices sum_p w_p f_p f_p^T of many functions at many points.

Only block rows of the upper half are multiplied, summed over devices and added up.
"""

from __future__ import annotations

from collections.abc import Sequence

import chex
import jax
import jax.numpy as jnp
import numpy as np

# Rows of a block: products reach their full speed, and an eighth of them is done twice at most
# where there are thousands of functions.
_BLOCK = 512


def halves(f: jax.Array, weights: jax.Array) -> list[jax.Array]:
  """Block rows of the upper half of f^T diag(weights) f.

  Args:
    f: (B, M) real.
    weights: (B,).

  Returns:
    (b, M), (b, M - b), (b, M - 2 b), .. real, in the widest precision there is.
  """
  chex.assert_rank([f, weights], [2, 1])
  weighted = weights[:, None].astype(f.dtype) * f
  starts = range(0, f.shape[1], _BLOCK)
  blocks = [weighted[:, i : i + _BLOCK].T @ f[:, i:] for i in starts]
  # What chunks of points add up to is not rounded to float32.
  return [block.astype(jnp.float_) for block in blocks]


def matrix(blocks: Sequence[np.ndarray]) -> np.ndarray:
  """The whole matrix (M, M) of its block rows."""
  size = blocks[0].shape[1]
  whole = np.zeros((size, size), blocks[0].dtype)
  for block in blocks:
    start = size - block.shape[1]
    whole[start : start + len(block), start:] = block
  upper = np.triu(whole)
  return upper + np.triu(whole, 1).T
