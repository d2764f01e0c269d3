"""An algebraic metric written in sections of higher degree."""

import functools
from typing import Any

import jax
import numpy as np

from networks import algebraic
from trainer.geometry import sections
from trainer.geometry.variety import Variety


def raise_degree(variety: Variety, network: Any, degree: int, higher: int) -> Any:
  """rho_{k'} = rho_k^q rho_FS^r, k' = q k + r: exactly the same metric where k divides k'.

  Otherwise K' = (q k K + r K_FS) / k'.

  Args:
    variety: the manifold.
    network: parameters {module: {"h": (N_k, N_k)}} of networks.algebraic, on the host.
    degree: k.
    higher: k' > k.

  Returns:
    Those of degree k'.
  """
  of = functools.partial(sections.multidegree_of_class, variety)
  q, r = divmod(higher, degree)

  def lift(h):
    re, im = (np.asarray(part, float) for part in algebraic.hermitian_matrix(h))
    form = re + 1j * im
    # A factor would be raised, too.
    form = power = form / np.trace(form).real * len(form)
    for i in range(1, q):
      power = sections.product(variety, of(i * degree), power, of(degree), form)
    power = sections.product(variety, of(q * degree), power, of(r))
    return np.asarray(algebraic.real_matrix(power.real, power.imag), h.dtype)

  return jax.tree.map(lift, network)
