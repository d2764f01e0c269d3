"""An algebraic metric written in sections of higher degree."""

from typing import Any

import jax
import numpy as np

from networks import algebraic
from trainer.geometry import sections
from trainer.geometry.variety import Variety


def raise_degree(variety: Variety, network: Any, degree: int, higher: int) -> Any:
  """rho_{k'} = rho_k^q rho_FS^r, k' = q k + r: exactly the same metric where k divides k'.

  Otherwise K' = (q k K + r K_FS) / k'. Its form is that of products of sections: from the second
  power on far better than K_FS, even if most of what is added is K_FS.

  Args:
    variety: the manifold.
    network: parameters {module: {"h": (N_k, N_k)}} of networks.algebraic, on the host.
    degree: k.
    higher: k' > k.

  Returns:
    Those of degree k'.
  """
  low = sections.multidegree_of_class(variety, degree)
  rest = tuple(
    high % d if d else 0 for high, d in zip(sections.multidegree_of_class(variety, higher), low)
  )

  def lift(h):
    re, im = (np.asarray(part, float) for part in algebraic.hermitian_matrix(h))
    first = re + 1j * im
    form, total = first / np.trace(first).real * len(first), low
    power = form
    for _ in range(higher // degree - 1):
      power = sections.product(variety, total, power, low, form)
      total = tuple(a + b for a, b in zip(total, low))
    power = sections.product(variety, total, power, rest)
    return np.asarray(algebraic.real_matrix(power.real, power.imag), h.dtype)

  return jax.tree.map(lift, network)
