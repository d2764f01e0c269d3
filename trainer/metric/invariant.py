"""The linearisation of a metric whose rho = s* H s is linear in few parameters: one pass a point.

eta is a function of the rows of the jet of rho = sum_p h_p rho_p, so
d eta / d h_p = sum_R (d eta / d rho_R) rho_pR.
"""

import math

import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp

from networks import jets
from networks.invariant import InvariantForm
from trainer.geometry.variety import Variety
from trainer.metric import forms
from trainer.metric.losses import Tensors, monge_ampere, residual
from trainer.problem.linearise import Linearisation, of_matrix


@forms.linearise.register
def linearise(form: InvariantForm, variety: Variety | None = None) -> Linearisation:
  """The linearisation of K = (1/(pi k)) log rho in (log kappa, h).

  Args:
    form: the forms and their degree.
    variety: is not read: few unknowns have points enough.

  Returns:
    The linearisation, for parameters {"log_kappa": (), "network": {..: {"h": (P,)}}}.
  """
  del variety

  def rho(params, batch):
    (h,) = jax.tree.leaves(params["network"])
    x = jets.from_coordinates(batch.x, batch.pullback)
    return form.rho(h, x, batch.fixed).rows

  def tensors(rho, log_kappa, batch):
    metric = jets.log(jets.Jet(rho)).mixed / (math.pi * form.degree)
    return Tensors.of_metric(metric, log_kappa, batch)

  def residual_at(params, batch):
    return residual(monge_ampere, tensors(rho(params, batch), params["log_kappa"], batch))

  def rows(params, batch):
    def total(rho):
      eta = tensors(rho, params["log_kappa"], batch).eta
      return jnp.sum(eta), eta

    slopes, eta = jax.grad(total, has_aux=True)(rho(params, batch))
    x = jets.from_coordinates(batch.x, batch.pullback)
    of_h = form.contract(x, slopes, batch.fixed)
    row = lambda log_kappa, h: ravel_pytree(
      {"log_kappa": log_kappa, "network": jax.tree.map(lambda _: h, params["network"])}
    )[0]
    return jax.vmap(row)(-eta, of_h)

  return of_matrix(residual_at, rows)._replace(nearly_linear=True)
