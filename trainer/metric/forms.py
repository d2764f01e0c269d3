"""Linearisations of metrics whose exp(pi k K) is linear in their parameters, by type of form.

A network's `form()` says that it is such a metric (networks.network). A form of one's own brings
its linearisation in the same file:

  @forms.linearise.register
  def _(form: MyForm, variety: Variety | None = None) -> Linearisation:
    ...
"""

import functools
from typing import Any

from trainer.geometry.variety import Variety
from trainer.problem.linearise import Linearisation


@functools.singledispatch
def linearise(form: Any, variety: Variety | None = None) -> Linearisation:
  """The linearisation of the Monge-Ampere residual eta - 1.

  Args:
    form: such as networks.algebraic.FullForm.
    variety: the manifold: where it is given the residual may have derivatives of eta, too.

  Returns:
    It, for parameters {"log_kappa": (), "network": {module: {name: array}}}.
  """
  raise NotImplementedError(f"no linearisation is registered for {type(form).__name__}")
