"""Donaldson's balanced metric: an algebraic metric without training, to start from.

The T-operator sends a form H on N_k sections to T(H)_ij = N_k < s_i conj(s_j) / (s* H s) >,
averages with respect to |Omega|^2. Its iteration H -> T(H)^{-1} converges to the balanced metric of
degree k, whose distance from the Ricci-flat one falls like 1/k^2: sections are orthonormal in the
metric they define.

Donaldson, "Some numerical results in complex differential geometry" (2005); Douglas, Karp, Lukic,
Reinbacher, "Numerical Calabi-Yau metrics" (2006).
"""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from networks import algebraic
from networks.sections import section_rows
from trainer.devices import microbatch, parallel
from trainer.errors import UserError
from trainer.geometry.sections import SectionBasis, terms_of_class
from trainer.geometry.variety import Variety
from trainer.points.batch import Batch

# Points whose sections are held at once on a device.
_CHUNK = 2048
_MAX_STEPS = 200


def t_operator(sections: jax.Array, weight: jax.Array, h: jax.Array) -> tuple[jax.Array, jax.Array]:
  """The sums that T(H) is made of; add both up over all points.

  Args:
    sections: (B, 2N) real, [Re s | Im s].
    weight: (B,) real.
    h: (N, N) real, H as in networks.algebraic.hermitian_matrix.

  Returns:
    sum_p w_p s_i conj(s_j) / (s* H s), (2, N, N), real and imaginary part; sum_p w_p, ().
  """
  size = h.shape[0]
  chex.assert_shape(sections, (weight.shape[0], 2 * size))
  rho = jnp.sum(sections * (sections @ algebraic.packed_form(h)), axis=1)
  gram = sections.T @ (sections * (weight / rho)[:, None])
  real = gram[:size, :size] + gram[size:, size:]
  imaginary = gram[size:, :size] - gram[:size, size:]
  return jnp.stack([real, imaginary]), jnp.sum(weight)


def balanced_metric(
  variety: Variety, degree: int, batch: Batch, mesh: jax.sharding.Mesh, tolerance: float = 1e-6
) -> np.ndarray:
  """Iterates the T-operator from Fubini-Study until it changes H by less than `tolerance`.

  Args:
    variety: the manifold.
    degree: k.
    batch: points, sharded over the mesh (trainer.points.dataset); many more than N_k.
    mesh: the devices.
    tolerance: Frobenius norm of the last change, relative to H.

  Returns:
    (N_k, N_k) real, the parameter "h" of the network algebraic(degree=k).

  Raises:
    UserError: several terms (trainer.geometry.kaehler_class), too few points, or no convergence.
  """
  terms = terms_of_class(variety, degree)
  if len(terms) > 1:
    raise UserError("balanced metrics need a degree that makes multiples of the moduli whole")
  basis = SectionBasis(*terms[0][1:])
  step = _compile_step(variety, basis, mesh)
  size = basis.coefficients.shape[1]
  if batch.weight.shape[0] < 2 * size:
    raise UserError(
      f"{batch.weight.shape[0]} points are too few for the balanced metric on {size} "
      "sections: use ten times as many points as sections or more"
    )
  form = np.eye(size, dtype=complex)
  for _ in range(_MAX_STEPS):
    h = np.asarray(algebraic.real_matrix(form.real, form.imag))
    (real, imaginary), weight = (
      a[0]
      for a in parallel.gather_rows(
        step(parallel.replicate(mesh, h.astype(batch.weight.dtype)), batch)
      )
    )
    new = np.linalg.inv(size / weight * (real + 1j * imaginary))
    new = (new + new.conj().T) / 2
    change = np.linalg.norm(new - form) / np.linalg.norm(form)
    form = new
    if change < tolerance:
      return np.asarray(algebraic.real_matrix(form.real, form.imag))
  raise UserError(
    f"the balanced metric did not converge in {_MAX_STEPS} steps (last change {change:.1e}): "
    "use more points, or float64"
  )


def _compile_step(variety: Variety, basis: SectionBasis, mesh: jax.sharding.Mesh) -> Callable:
  """step(h, batch) -> the sums of `t_operator` over all points, one copy (1, ..) a device."""

  def step(h, batch):
    count = batch.weight.shape[0]

    def sums(x, weight):
      sections = section_rows(basis.exponents, basis.coefficients, variety.ambient, x)[0]
      return t_operator(sections, weight, h)

    plan = microbatch.Plan(count, min(_CHUNK, count), 0, 0)
    total = microbatch.accumulate(sums, batch.x, batch.weight, plan)
    return jax.tree.map(lambda a: a[None], parallel.psum(total))

  return parallel.compile_rows(step, mesh)
