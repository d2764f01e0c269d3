"""What a step costs each of 1 to 64 devices, counted; nothing is run.

Arithmetic is counted in the trace, collectives and memory traffic in the compiled program. A step
tries one damping, and conjugate gradients take 20 iterations; the compiler counts a loop's body
once, and its memory traffic is taken in proportion to the arithmetic. The dense solvers' Cholesky
factorisation is listed apart.
"""

from __future__ import annotations

from collections.abc import Sequence
import multiprocessing
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from trainer.devices import microbatch, parallel, work
from trainer.geometry.variety import Variety
from trainer.metric.problem import MetricProblem
from trainer.optimizers import cholesky, gauss_newton, solvers
from trainer.optimizers.first_order_step import make_step
from trainer.optimizers.state import new_state
from trainer.points import batch as batches


class Case(NamedTuple):
  """What is counted.

  Attributes:
    solver: "first_order" or one of trainer.optimizers.solvers.SOLVERS.
    network: of the metric.
    points: of a batch, over all devices.
  """

  solver: str
  network: str
  points: int


COUNTS = (1, 8, 64)
# Of configs/pod.py.
POINTS_A_DEVICE = 65_536
_ALL = COUNTS[-1] * POINTS_A_DEVICE
CASES = (
  Case("first_order", "phi_mlp(widths=(64, 64, 64))", _ALL),
  Case("parameter_space", "phi_mlp(widths=(32, 32))", _ALL),
  Case("sample_space", "phi_mlp(widths=(64, 64, 64))", 1024),
  Case("conjugate_gradient", "algebraic(degree=4)", _ALL),
  Case("conjugate_gradient", "algebraic(degree=8)", _ALL),
)

_ITERATIONS = 20
_COLLECTIVE = re.compile(
  r"= (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\("
)
_ARRAY = re.compile(r"(pred|[sufc]\d+)\[([\d,]*)\]")


def count_work(
  variety: Variety, cases: Sequence[Case], counts: Sequence[int]
) -> list[dict[str, Any]]:
  """Counts the work of a float32 step on a device of a mesh of fake ones, in another process.

  Args:
    variety: the manifold.
    cases: what to count.
    counts: numbers of devices, each dividing the points of every case.

  Returns:
    A row for each case and number of devices: solver, network, parameters, points, devices, and of
      each device
    flops and bytes (read and written) of all but the factorisation, communicated_bytes (the results
    of collectives), collectives (their number), dense (unknowns of a dense system), cholesky_flops.
  """
  settings = {"jax_platforms": "cpu", "jax_num_cpu_devices": max(counts), "jax_enable_x64": True}
  with multiprocessing.get_context("spawn").Pool(1, _configure, (settings,)) as pool:
    return pool.apply(_count_all, (variety, tuple(cases), tuple(counts)))


def communication(program: str) -> dict[str, tuple[int, int]]:
  """Collectives in the text of a compiled program: how many, bytes of their results.

  By the name of the loop they are in, see trainer.devices.work; "" outside.
  """
  size = lambda dtype, dims: (
    np.prod([int(d) for d in dims.split(",") if d], dtype=int)
    * max(int(re.sub(r"\D", "", dtype) or 8) // 8, 1)
  )
  found = {}
  for line in program.splitlines():
    if match := _COLLECTIVE.search(line):
      name = ([""] + work.SCOPE.findall(line))[-1]
      number, total = found.get(name, (0, 0))
      here = sum(size(*array) for array in _ARRAY.findall(match.group(1)))
      found[name] = number + 1, total + int(here)
  return found


def _configure(settings):
  for name, value in settings.items():
    jax.config.update(name, value)


def _count_all(variety, cases, counts):
  return [_count(variety, case, devices) for case in cases for devices in counts]


def _count(variety, case, devices):
  problem = MetricProblem(variety, case.network)
  mesh = parallel.make_mesh(jax.local_devices()[:devices])
  step, state = _step(problem, case, case.points // devices)
  epoch = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct((1, *a.shape), a.dtype),
    batches.abstract(variety, case.points, jnp.float32),
  )
  traced = parallel.shard_step(step, mesh).trace(state, epoch)
  compiled = traced.lower().compile()
  found, exchanged = work.of_program(traced.jaxpr), communication(compiled.as_text())
  once = dict.fromkeys({*found.flops, *exchanged}, 1)
  numbers = once | {"iterations": _ITERATIONS}
  parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
  dense = {"parameter_space": parameters, "sample_space": case.points}.get(case.solver, 0)
  factoring = cholesky.flops(dense, devices)
  traffic = compiled.cost_analysis()["bytes accessed"] / found.total(once)
  return {
    **case._asdict(),
    "parameters": parameters,
    "devices": devices,
    "flops": found.total(numbers) - factoring,
    "bytes": traffic * found.total(numbers),
    "collectives": sum(numbers[name] * number for name, (number, _) in exchanged.items()),
    "communicated_bytes": sum(numbers[name] * size for name, (_, size) in exchanged.items()),
    "dense": dense,
    "cholesky_flops": factoring,
  }


def _step(problem, case, local):
  """The per-device step and the shapes of its state."""
  optimizer = optax.adam(1e-3)

  def start():
    params = problem.init(jax.random.key(0), 1.0)
    params = jax.tree.map(lambda a: a.astype(jnp.float32), params)
    first_order = case.solver == "first_order"
    state = optimizer.init(params) if first_order else gauss_newton.init(params, 1.0)
    return new_state(jnp.int32(0), params, state)

  if case.solver == "first_order":
    return make_step(problem, optimizer), jax.eval_shape(start)
  plan = microbatch.Plan(local, local, 0, 0)
  linear = problem.linearise()
  solver = solvers.make_solver(case.solver, linear, plan, iterations=100, tolerance=5e-3)
  step = gauss_newton.make_gauss_newton_step(linear, solver, plan, 1e-9)
  return step, jax.eval_shape(start)
