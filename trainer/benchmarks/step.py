"""The training step by nested autodiff, by the general path and by jets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import copy
import functools
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import optax

from networks import phi
from trainer.benchmarks import timing
from trainer.devices import machine, parallel
from trainer.geometry import hermitian
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import Ansatz
from trainer.metric.problem import MetricProblem
from trainer.optimizers.first_order_step import make_step, plan_memory
from trainer.optimizers.state import new_state
from trainer.points.batch import Batch, cast
from trainer.problem.problem import Problem


def plain_phi(x: jax.Array, ambient: Sequence[int], widths: Sequence[int]) -> jax.Array:
  """The phi network as a plain Haiku function of a point, as a user writes one: no jets."""
  return phi.PhiMLP(ambient=ambient, widths=widths)(x)


def time_step(
  variety: Variety, batch: Batch, widths: Sequence[int], seconds: float
) -> dict[str, float]:
  """Times a full training step, loss, gradient and Adam, in float32 on one device.

  Args:
    variety: the manifold.
    batch: the points of a step.
    widths: hidden widths of the phi network.
    seconds: how long to measure.

  Returns:
    nested_ms (the whole batch at once, as others do), nested_in_chunks_ms (as our step does),
    general_ms, jets_ms, matmul_ms (the jets' own matmuls at the rate of a large one) with
    quartiles, the FLOP/s achieved and the ratios.
  """
  batch = cast(batch, jnp.float32)
  jets = MetricProblem(variety, f"phi_mlp(widths={tuple(widths)})")
  nested = copy.copy(jets)
  nested.ansatz = _nested_ansatz(variety, widths)
  problems = {
    "nested": nested,
    "nested_in_chunks": nested,
    "general": MetricProblem(variety, f"{__name__}:plain_phi(widths={tuple(widths)})"),
    "jets": jets,
  }
  mesh = parallel.make_mesh(jax.local_devices()[:1])
  functions = {
    name: make_stepper(problem, batch, mesh, whole=name == "nested")
    for name, problem in problems.items()
  }
  functions["matmul"], matmul_flops = timing.matmul(jnp.float32)
  times = timing.alternate(functions, seconds)
  rate = matmul_flops / times["matmul"].median
  flops = step_flops(variety, widths, batch.x.shape[0])
  result = {"batch": batch.x.shape[0], "widths": list(widths)}
  for name in problems:
    result |= times[name].scaled(1e3, f"{name}_ms")
  return result | {
    "matmul_ms": 1e3 * flops / rate,
    "matmul_gflops_per_second": rate / 1e9,
    "jets_gflops_per_second": flops / times["jets"].median / 1e9,
    **{
      f"{name}_over_jets": times[name].median / times["jets"].median
      for name in problems
      if name != "jets"
    },
    "jets_over_matmul": times["jets"].median * rate / flops,
  }


def step_flops(variety: Variety, widths: Sequence[int], batch: int) -> float:
  """Floating-point operations in the matmuls of a jets step (networks.adjoint).

  Each layer acts on 1 + 2n rows forwards and, but for the last, on one backwards; a reverse pass
  costs each product twice over, except that the embedding needs no gradient.
  """
  features = sum((n + 1) ** 2 for n in variety.ambient)
  layers = list(zip([features, *widths], [*widths, 1], strict=True))
  products = [2.0 * fan_in * fan_out for fan_in, fan_out in layers]
  tangents = 1 + 2 * variety.dimension
  # d dbar phi does not read the last layer's output.
  forward, adjoint = 3 * sum(products[:-1]) - products[0], 3 * sum(products[:-1])
  return batch * (tangents * forward + adjoint)


def make_stepper(
  problem: Problem, batch: Batch, mesh: Any, whole: bool = False
) -> Callable[[], Any]:
  """A call that takes one training step after the other on one batch, spread over a mesh.

  Args:
    problem: what is learned.
    batch: the points of a step.
    mesh: the devices.
    whole: whether a device works on its part of the batch at once instead of in chunks.

  Returns:
    The call, which returns the step's metrics.
  """
  optimizer = optax.adam(1e-3)
  params = jax.tree.map(lambda a: a.astype(jnp.float32), problem.init(jax.random.key(0), 1.0))
  state = new_state(jnp.int32(0), params, optimizer.init(params))
  local = jax.tree.map(lambda a: a[: a.shape[0] // mesh.size], batch)
  plan = None if whole else plan_memory(problem, params, local, machine.default_memory())
  compiled = parallel.compile_step(make_step(problem, optimizer, plan), mesh, "shard_map")
  state = parallel.replicate(mesh, state)
  epoch = jax.tree.map(lambda a: jax.device_put(a[None], parallel.sharded(mesh, axis=1)), batch)

  def step():
    nonlocal state
    state, metrics = compiled(state, epoch)
    return metrics

  return step


def _nested_ansatz(variety: Variety, widths: Sequence[int]) -> Ansatz:
  """d dbar phi as the Hessian over the 2N real ambient coordinates, pulled back: what others do."""
  network = hk.without_apply_rng(
    hk.transform(functools.partial(plain_phi, ambient=variety.ambient, widths=widths))
  )
  size = variety.num_coordinates

  def metric(params, batch):
    def point(x, j):
      h = jax.jacfwd(jax.grad(functools.partial(network.apply, params)))(x)
      xx, xy, yx, yy = h[:size, :size], h[:size, size:], h[size:, :size], h[size:, size:]
      levi = 0.25 * jax.lax.complex(xx + yy, xy - yx)
      return hermitian.pack(j @ levi @ j.conj().T)

    return batch.fubini_study.T + jax.vmap(point, out_axes=1)(batch.x, batch.pullback)

  init = lambda key: network.init(key, jnp.ones(2 * size))
  return Ansatz(init=init, metric=metric, path="nested")
