"""The metric a phase of a run starts from."""

from typing import Any

import jax
import numpy as np

from networks import algebraic
from trainer.devices import parallel
from trainer.geometry import sections
from trainer.loop.job import Job
from trainer.metric.balanced import balanced_metric
from trainer.metric.network_text import parse_network, split_terms
from trainer.optimizers.first_order_step import TrainState
from trainer.points import dataset as data
from trainer.run import run as runs
from trainer.run.run import Run


def balanced_state(job: Job, state: TrainState) -> TrainState:
  """The state of a run's first phase at Donaldson's balanced metric instead of Fubini-Study's.

  Args:
    job: the run, with an algebraic network.
    state: its first state.

  Returns:
    The state; kappa stays, which the Kaehler class determines.
  """
  run = job.run
  settings = run.config.data
  points = data.load(
    job.source("train"), min(settings.train_points, settings.resident_points)
  ).batch
  form = balanced_metric(run.variety, run.ansatz.sections.degree, points, job.mesh)
  network = jax.tree.map(lambda h: form.astype(h.dtype), state.params["network"])
  params = jax.tree.map(np.asarray, state.params) | {"network": network}
  return parallel.replicate(job.mesh, runs.enter_state(run, params, np.asarray(state.step)))


def next_state(run: Run, state: TrainState, following: Run) -> TrainState:
  """The state `following` starts with, from the final state of the phase before it.

  The metric stays what it was where the network does. An algebraic metric of higher degree starts at
  K' = (k K + (k' - k) K_FS) / k', which is algebraic of degree k'. A correction starts at its own first parameters.

  Args:
    run: the run in the phase that ended.
    state: its final state.
    following: the run in the next phase.

  Returns:
    The state.
  """
  params = jax.tree.map(np.asarray, state.params)
  present, network = (r.phases[r.phase].network for r in (run, following))
  if len(split_terms(network)) > len(split_terms(present)):
    first = jax.tree.map(np.asarray, runs.first_state(following).params["network"])
    params = params | {"network": first | {"base": params["network"]}}
  elif network != present:
    params = params | {"network": _raise_degree(run, params["network"], following)}
  return runs.enter_state(following, params, state.step)


def _raise_degree(run: Run, network: Any, following: Run) -> Any:
  low, high = (
    sections.multidegree_of_class(
      run.variety, parse_network(r.phases[r.phase].network)[1]["degree"]
    )
    for r in (run, following)
  )
  extra = tuple(b - a for a, b in zip(low, high))

  def lift(h):
    re, im = (np.asarray(part, float) for part in algebraic.hermitian_matrix(h))
    lifted = sections.raise_degree(run.variety, low, re + 1j * im, extra)
    return np.asarray(algebraic.real_matrix(lifted.real, lifted.imag), h.dtype)

  return jax.tree.map(lift, network)
