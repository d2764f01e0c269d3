"""d params / d t: how the parameters of a trained metric move along the Kaehler cone.

Trained parameters theta make <(eta - 1)^2> least. Along a direction tau of Kaehler moduli they go
on doing so, to first order in the path and in the residual, if they move by the d theta that solves

  minimise sum_p w_p (J d theta + d eta / d tau)^2,

one Gauss-Newton step with another right-hand side: J is the Jacobian of the metric's own steps, the
second term is taken at fixed theta; eta tr_g sum_i tau_i g^(i) for a network that does not know t.
It is Poisson's equation of trainer.harmonic.kaehler with the columns of J as functions, and
d log kappa = sum_i tau_i c_i among the unknowns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import functools
import pathlib
from typing import Any, NamedTuple

import chex
import jax
from jax.flatten_util import ravel_pytree
import jax.numpy as jnp
import numpy as np

from trainer.devices import machine, microbatch, parallel
from trainer.errors import UserError
from trainer.geometry import fubini_study, hermitian
from trainer.geometry.variety import Variety
from trainer.loop.state import load_state
from trainer.metric.problem import MetricProblem
from trainer.optimizers import solvers
from trainer.points import dataset
from trainer.points.batch import Batch
from trainer.points.dataset import Dataset
from trainer.problem import linearise
from trainer.run import run as runs

# Of the way to the wall of the cone: third derivatives along it are left out.
_STEP = 1e-4
# Relative to J^T J as in Gauss-Newton's steps: the first of networks and of algebraic metrics, how
# they fall, and the last.
_LARGEST, _FALL, _LEAST = (1.0, 1e-3), 0.1, 1e-12
_CHUNK, _ITERATIONS, _TOLERANCE = 1024, 100, 5e-3
# Points an unknown of algebraic metrics, and how many at least and at most; a network's unknowns
# outnumber the points of its exact solution (trainer.optimizers.solvers.choose).
_POINTS_PER_UNKNOWN, _FEWEST, _MOST, _OF_NETWORKS = 4, 20_000, 100_000, 6_000
_VALIDATION = 2_000


class Tangent(NamedTuple):
  """What `along` finds.

  Attributes:
    params: d theta, a pytree like the parameters, numpy arrays.
    unchanged: rms of the change of eta, taken at mean 1, from t to t + tau at fixed theta, on
      validation points.
    moved: the same where theta moves by d theta.
  """

  params: Any
  unchanged: float
  moved: float


def at_moduli(
  make: Callable[[Variety], MetricProblem], variety: Variety, moduli: Sequence[float]
) -> MetricProblem:
  """The problem of a network at other Kaehler moduli, for the same parameters.

  Args:
    make: the problem on a variety.
    variety: where it was trained.
    moduli: t'.

  Raises:
    UserError: moduli are not positive, or the network's parameters mean something else there.
  """
  if len(moduli) != len(variety.ambient):
    raise UserError(f"{tuple(moduli)} must be one number for each projective space")
  moved = dataclasses.replace(variety, moduli=tuple(map(float, moduli)))
  here = make(variety)
  try:
    there = make(moved)
    same = _signature(here.ansatz) == _signature(there.ansatz)
  except UserError:
    same = False
  if not same:
    raise UserError(
      f"the sections of {here.network} are others at Kaehler moduli {moved.moduli}: its parameters "
      "cannot follow; run.nearby has the metric there to first order"
    )
  return there


def along(
  make: Callable[[Variety], MetricProblem],
  variety: Variety,
  params: Any,
  direction: np.ndarray,
  fit: Dataset,
  validation: Dataset,
  mesh: jax.sharding.Mesh,
  memory: int,
) -> Tangent:
  """d params along a direction of Kaehler moduli.

  What the points leave open would take parameters far, where second derivatives count: the damping
  of the least squares is that for which eta changes least from t to t + tau.

  Args:
    make: the problem on a variety, which differs in its moduli alone.
    variety: the manifold.
    params: trained there, all of the problem's.
    direction: (m,), tau.
    fit: points of the least squares.
    validation: other points, by which the damping is chosen.
    mesh: the devices the points are on.
    memory: bytes of each for intermediate results.

  Raises:
    UserError: t + tau is not positive, or the network's parameters mean something else there.
  """
  t, tau = np.array(variety.moduli), np.asarray(direction, float)
  chex.assert_equal_shape((t, tau))
  step = _STEP / np.max(np.abs(tau) / t)
  ahead, behind, there = (at_moduli(make, variety, t + s * tau) for s in (step, -step, 1))
  problem, wide = make(variety), parallel.widest_dtype()
  params = jax.tree.map(lambda a: np.asarray(a, wide), params)
  value = lambda problem, params, batch: (
    problem.residual(params, _moved(problem.variety, batch)).value
  )

  def slope(params, batch):
    return (value(ahead, params, batch) - value(behind, params, batch)) / (2 * step)

  ends = [functools.partial(value, end) for end in (problem, there)]
  solution = _solution(problem, slope, ends, mesh, memory, fit, params)
  batches = fit.batch._replace(fixed={}), validation.batch._replace(fixed={})
  program = parallel.compile_sums(solution, mesh)
  flat, unchanged, moved = program(parallel.replicate(mesh, params), batches)
  change = ravel_pytree(params)[1](np.asarray(flat))
  return Tangent(jax.tree.map(np.asarray, change), float(unchanged), float(moved))


def of_run(workdir: pathlib.Path, direction: np.ndarray) -> Tangent:
  """d params of a run along a direction (m,) of Kaehler moduli; see `along`."""
  run = runs.load_run(workdir)
  mesh, memory = parallel.make_mesh(jax.local_devices()), machine.default_memory()
  with jax.enable_x64(True):
    params, make = load_state(run, workdir).params, _maker(run)
    variety = run.problem.variety
    load = lambda split, count: dataset.load(
      run.problem.source(split, run.seed, None, mesh, parallel.widest_dtype()), count
    )
    count = _num_points(make(variety), params)
    fit, validation = load("train", count), load("validation", _VALIDATION)
    return along(make, variety, params, direction, fit, validation, mesh, memory)


def at_run(workdir: pathlib.Path, moduli: Sequence[float]) -> MetricProblem:
  """The problem of a run at other Kaehler moduli; see `at_moduli`."""
  run = runs.load_run(workdir)
  return at_moduli(_maker(run), run.problem.variety, moduli)


def _maker(run):
  def make(variety):
    whole = MetricProblem(variety, run.problem.network)
    return whole if run.share == 1 else whole.shrunk(run.share)

  return make


def _num_points(problem, params):
  unknowns = sum(leaf.size for leaf in jax.tree.leaves(problem.trained(params)))
  if not problem.linearise().low_rank:
    return _FEWEST if unknowns < _OF_NETWORKS / 2 else _OF_NETWORKS
  return min(max(_FEWEST, _POINTS_PER_UNKNOWN * unknowns), _MOST)


def _solution(problem, slope, ends, mesh, memory, fit, params):
  """The program of `along` for one device."""
  linear = problem.linearise(slopes=False)
  unknowns = sum(leaf.size for leaf in jax.tree.leaves(problem.trained(params)))
  name = solvers.choose(unknowns, fit.num_points, linear.low_rank)
  if unknowns * fit.num_points * 8 / mesh.size > memory and name != "sample_space":
    linear = linearise.lazily(linear)
  plan_of = lambda batch: microbatch.Plan(
    len(batch.weight), min(_CHUNK, len(batch.weight)), 0, memory
  )

  def solve(params, batches):
    batch, validation = batches
    at, plan = linear.at(params), plan_of(batch)
    flat, unravel = ravel_pytree(params)
    rows = lambda rows: (linear.prepare(at, rows), slope(params, rows))
    prepared, slopes = microbatch.apply(rows, batch, plan)
    scale = jnp.sqrt(batch.weight / parallel.psum(jnp.sum(batch.weight)))
    solver = solvers.make_solver(name, linear, plan, _ITERATIONS, _TOLERANCE)
    normal = solver.prepare(solvers.System(at, prepared, scale))

    share = validation.weight / parallel.psum(jnp.sum(validation.weight))
    mean = lambda f: parallel.psum(share @ f)

    def relative(end, flat):
      """eta at mean 1 on validation points."""
      eta_of = functools.partial(end, unravel(flat))
      eta = microbatch.apply(eta_of, validation, plan_of(validation))
      return eta / mean(eta)

    before = relative(ends[0], flat)
    change_of_eta = lambda flat: parallel.first(
      jnp.sqrt(mean((relative(ends[1], flat) - before) ** 2))
    )

    def attempt(carry):
      damping, best, _ = carry
      delta = solver.solve(normal, scale * slopes, damping, jnp.int32(_ITERATIONS)).delta
      change = parallel.first(linear.unfold(at, delta))
      error = change_of_eta(flat + change)
      better = error < best[1]
      best = jax.tree.map(lambda a, b: jnp.where(better, a, b), (change, error), best)
      return damping * _FALL, best, better & (damping > _LEAST)

    unchanged = change_of_eta(flat)
    start = _LARGEST[linear.low_rank], (jnp.zeros_like(flat), jnp.inf), True
    start = jax.tree.map(lambda a: jnp.asarray(a, None if a is True else flat.dtype), start)
    _, (change, moved), _ = jax.lax.while_loop(lambda carry: carry[2], attempt, start)
    return change, unchanged, moved

  return solve


def _moved(variety: Variety, batch: Batch) -> Batch:
  """The same points at the Kaehler moduli of another variety."""
  z = jax.lax.complex(*jnp.split(batch.x, 2, axis=1))
  metric = jax.vmap(lambda z, pullback: fubini_study.metric(variety, z, pullback))
  return batch._replace(fubini_study=jax.vmap(hermitian.pack)(metric(z, batch.pullback)))


def _signature(ansatz):
  """What parameters mean: their shapes, and the monomials of sections."""
  first = ansatz
  while first.below is not None:
    first = first.below
  terms = getattr(first.form, "terms", ())
  shapes = jax.eval_shape(ansatz.init, jax.random.key(0))
  return jax.tree.map(lambda a: a.shape, shapes), [term.exponents.tolist() for term in terms]
