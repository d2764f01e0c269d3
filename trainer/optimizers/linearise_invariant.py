"""The linearisation of a metric whose rho = s* H s is linear in few parameters: one pass a point.

eta is a function of the rows of the jet of rho = sum_p h_p rho_p, so d eta / d h_p = sum_R (d eta / d rho_R) rho_pR.
"""

from typing import Any

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from trainer.metric.ansatz import InvariantForm
from trainer.optimizers.linearise import Linearisation, eta_of_metric, of_matrix
from trainer.points.batch import Batch


def of_invariant_form(form: InvariantForm) -> Linearisation:
  """The linearisation of K = (1/(pi k)) log rho in (log kappa, h).

  Args:
    form: the metric.

  Returns:
    The linearisation, for parameters {"log_kappa": (), "network": {..: {"h": (P,)}}}.
  """

  def value(rho: jax.Array, log_kappa: jax.Array, batch: Batch):
    return eta_of_metric(form.metric(rho), log_kappa, batch)

  def eta(params: Any, batch: Batch):
    return value(form.rho(params["network"], batch), params["log_kappa"], batch)

  def rows(params: Any, batch: Batch):
    rho = form.rho(params["network"], batch)
    slopes, values = jax.grad(
      lambda rho: (lambda v: (jnp.sum(v), v))(value(rho, params["log_kappa"], batch)[0]),
      has_aux=True,
    )(rho)
    of_h = form.contract(batch, slopes)
    row = lambda log_kappa, h: ravel_pytree(
      {"log_kappa": log_kappa, "network": jax.tree.map(lambda _: h, params["network"])}
    )[0]
    return jax.vmap(row)(-values, of_h)

  return of_matrix(eta, rows)
