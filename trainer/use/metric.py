"""A trained metric as an ordinary JAX function."""

import functools
import pathlib
from typing import Any

import chex
import jax
import jax.numpy as jnp

from trainer.geometry import hermitian
from trainer.geometry.variety import Variety
from trainer.loop.state import load_state
from trainer.metric.ansatz import Ansatz
from trainer.points import batch as batches
from trainer.run.run import load_run


def load_metric(workdir: str | pathlib.Path) -> jax.tree_util.Partial:
  """Loads a trained metric as an ordinary JAX function.

  Args:
    workdir: the directory of a run.

  Returns:
    metric(x) -> (n, n) complex, g_{a bbar} at the point x = [Re z, Im z], shape (2N,), in the local
    coordinates of that point (trainer.geometry.patches.choose_chart). It is a pytree: pass it
    through jit and vmap, or differentiate it. It computes in the precision of x.

  Raises:
    UserError: there is no trained metric of this program.
  """
  workdir = pathlib.Path(workdir).expanduser().absolute()
  run = load_run(workdir)
  params = load_state(run, workdir).params["network"]
  at = functools.partial(_metric_at, run.problem.variety, run.problem.ansatz)
  return jax.tree_util.Partial(at, params)


def _metric_at(variety: Variety, ansatz: Ansatz, params: Any, x: jax.Array) -> jax.Array:
  n = variety.num_coordinates
  chex.assert_shape(x, (2 * n,))
  params = jax.tree.map(lambda a: jnp.asarray(a, x.dtype), params)
  z = jax.lax.complex(x[:n], x[n:])
  batch = batches.prepare(variety, z[None], jnp.ones((1,), x.dtype))
  return hermitian.unpack(ansatz.metric(params, batch))[0]
