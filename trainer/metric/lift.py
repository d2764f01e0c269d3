"""An algebraic metric written in sections of higher degree."""

from typing import Any

import jax
import numpy as np

from networks import algebraic
from trainer.geometry import sections
from trainer.geometry.variety import Variety


def raise_degree(variety: Variety, network: Any, degree: int, higher: int) -> Any:
  """K' = (k K + (k' - k) K_FS) / k', which is algebraic of degree k'.

  Args:
    variety: the manifold.
    network: parameters {module: {"h": (N_k, N_k)}} of networks.algebraic, on the host.
    degree: k.
    higher: k' > k.

  Returns:
    Those of degree k'.
  """
  low, high = (sections.multidegree_of_class(variety, k) for k in (degree, higher))
  extra = tuple(b - a for a, b in zip(low, high))

  def lift(h):
    re, im = (np.asarray(part, float) for part in algebraic.hermitian_matrix(h))
    lifted = sections.raise_degree(variety, low, re + 1j * im, extra)
    return np.asarray(algebraic.real_matrix(lifted.real, lifted.imag), h.dtype)

  return jax.tree.map(lift, network)
