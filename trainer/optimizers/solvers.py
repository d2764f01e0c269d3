"""Three ways to solve damped normal equations (J^T J + lambda D) delta = -J^T r over all devices.

  parameter_space      few unknowns: J^T J is accumulated on every device and summed; many devices
                       factor it together
  sample_space         fewer points than unknowns: J J^T is summed and solved
  conjugate_gradient   many of both: only products with J and J^T, one all-reduce of P + 3 numbers
                       an iteration

A solver is a pair of functions for one device of the mesh. `prepare` does what does not
depend on the damping, once a step; `solve` is tried with one damping after the other
until a step is accepted.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from trainer.devices import microbatch, parallel
from trainer.optimizers import cholesky
from trainer.problem.linearise import Linearisation

# The largest dense system that is cheaper to solve than to iterate on, for networks and
# algebraic metrics.
_EXACT, _EXACT_LOW_RANK = 6000, 600

# Iterations over which progress is judged.
_WINDOW = 5

SOLVERS = ("parameter_space", "sample_space", "conjugate_gradient")


class System(NamedTuple):
  """The left side of a least-squares problem, minimise |r + J delta|^2 over delta.

  Attributes:
    at: where the problem is linearised, see Linearisation.at.
    prepared: what the linearisation needs of this device's points.
    scale: (B,) sqrt(w / sum w), the factor between value - target and r; 0 for padding.
  """

  at: Any
  prepared: Any
  scale: jax.Array


class Step(NamedTuple):
  """A solution.

  Attributes:
    delta: (P,), in the coordinates of the linearisation.
    decrease: () |r|^2 - |r + J delta|^2, over all devices.
    iterations: () int32, of an iterative solver, else 0.
  """

  delta: jax.Array
  decrease: jax.Array
  iterations: jax.Array


class Solver(NamedTuple):
  """See the module.

  Attributes:
    prepare: (System) -> a pytree.
    solve: (that pytree, r (B, ...), damping (), iterations ()) -> Step; iterative ones take no
      more iterations.
  """

  prepare: Callable[[System], Any]
  solve: Callable[[Any, jax.Array, jax.Array, jax.Array], Step]


def choose(num_parameters: int, num_equations: int, low_rank: bool) -> str:
  """The solver for a problem of this size, over all devices.

  Args:
    num_parameters: P.
    num_equations: of a batch, B: its points times the numbers of a residual.
    low_rank: whether products with J cost far less than its P entries a point, as for
      algebraic metrics.

  Returns:
    One of SOLVERS: parameter space costs B P^2, sample space B^2 P, and both solve exactly, which
    ill-conditioned networks need; conjugate gradients cost B P an iteration.
  """
  smaller = min(num_parameters, num_equations)
  if smaller > (_EXACT_LOW_RANK if low_rank else _EXACT):
    return "conjugate_gradient"
  return "parameter_space" if num_parameters <= num_equations else "sample_space"


def make_solver(
  name: str, linear: Linearisation, plan: microbatch.Plan, iterations: int, tolerance: float
) -> Solver:
  """The solver called `name`, one of SOLVERS."""
  if name == "conjugate_gradient":
    return conjugate_gradient(linear, plan, iterations, tolerance)
  return {"parameter_space": parameter_space, "sample_space": sample_space}[name](linear, plan)


def parameter_space(linear: Linearisation, plan: microbatch.Plan) -> Solver:
  """Solves (A + lambda (diag A + eps)) delta = -b, A = J^T J, b = J^T r, in the widest precision.

  Levenberg-Marquardt with Marquardt's scaling; eps, the mean of diag A, keeps null
  directions at rest.
  """

  def prepare(system):
    def products(chunk, scale):
      rows = _wide(_scaled_rows(linear.rows(system.at, chunk), scale))
      return rows.T @ rows

    gram = microbatch.accumulate(products, system.prepared, system.scale, plan)
    made = cholesky.layout(len(gram), parallel.num_devices())
    return system, cholesky.spread(gram, made) if made else parallel.psum(gram)

  def solve(normal, residual, damping, iterations):
    del iterations
    system, a = normal
    b = _gradient(linear, plan, system, residual)
    made = cholesky.layout(len(b), parallel.num_devices())
    diagonal = cholesky.diagonal(a, made) if made else jnp.diag(a)
    shift = damping * (diagonal + jnp.mean(diagonal))
    if made:
      delta = -cholesky.solve(cholesky.add_diagonal(a, made, shift), made, b)
      square = cholesky.square(a, made, delta)
    else:
      delta = -_solve_positive(a + jnp.diag(shift), b)
      square = delta @ (a @ delta)
    return Step(delta, -(2 * b @ delta + square), jnp.int32(0))

  return Solver(prepare, solve)


def sample_space(linear: Linearisation, plan: microbatch.Plan) -> Solver:
  """Solves (J J^T + lambda tr / B) y = -r, delta = J^T y.

  J J^T is made in the precision of J, the rest in the widest. Devices exchange rows of J for
  columns, P / D of them each, so that all of J is on none; what these give of J J^T is summed.
  """
  del plan

  def prepare(system):
    rows = linear.rows(system.at, system.prepared)
    rows = _scaled_rows(rows, system.scale.astype(rows.dtype))
    columns = parallel.columns(rows)
    return rows, parallel.psum(_wide(columns @ columns.T))

  def solve(prepared, residual, damping, iterations):
    del iterations
    rows, kernel = prepared
    everyone = parallel.all_gather(_wide(residual.reshape(-1)))
    shift = damping * jnp.trace(kernel) / kernel.shape[0]
    y = _solve_positive(kernel + shift * jnp.eye(kernel.shape[0]), everyone)
    local = parallel.local_part(y, rows.shape[0]).astype(rows.dtype)
    delta = -parallel.psum(_wide(local @ rows))
    return Step(delta, everyone @ everyone - shift**2 * (y @ y), jnp.int32(0))

  return Solver(prepare, solve)


def conjugate_gradient(
  linear: Linearisation, plan: microbatch.Plan, iterations: int, tolerance: float
) -> Solver:
  """Solves (J^T J + lambda m) delta = -J^T r by conjugate gradients.

  m = tr(J^T J) / min(P, equations).

  Args:
    linear: the linearisation; J is never formed.
    plan: how a device's points are cut up.
    iterations: at most, whatever `solve` is allowed.
    tolerance: stops when five iterations lower |r + J delta|^2 + lambda m |delta|^2 by
      less than this part of it.
  """

  def normal_product(system, v, squared):
    """J^T J v, v J^T J v, and |v|^2 and `squared` as the first device has them: one all-reduce."""

    def product(chunk, scale):
      jv = linear.apply(system.at, chunk, v)
      return _wide(linear.transpose(system.at, chunk, per_row(scale * scale, jv) * jv))

    own = microbatch.accumulate(product, system.prepared, system.scale, plan)
    of_first = jnp.where(parallel.device_index() == 0, jnp.stack([v @ v, squared]), 0.0)
    total = parallel.psum(jnp.concatenate([own, (v @ own)[None], of_first]))
    return total[:-3], total[-3], total[-2], total[-1]

  def prepare(system):
    def squares(prepared, scale):
      size = linear.squares(system.at, prepared)
      return jnp.sum(per_row(scale * scale, size) * size)

    trace = parallel.psum(microbatch.accumulate(squares, system.prepared, system.scale, plan))
    points = parallel.psum(jnp.asarray(system.scale.shape[0], parallel.widest_dtype()))
    return system, trace, points

  def solve(normal, residual, damping, limit):
    system, trace, points = normal
    b = _gradient(linear, plan, system, residual)
    shift = damping * trace / jnp.minimum(points * linear.equations, b.shape[0])

    # Numbers that decide are equal on all devices; each adds up `new` by itself.
    def body(carry):
      delta, res, direction, new, basis, energies, count, _ = carry
      product, curvature, length, squared = normal_product(system, direction, new)
      alive = squared > 0
      product, curvature = product + shift * direction, curvature + shift * length
      alpha = jnp.where(alive, squared / curvature, 0.0)
      basis = basis.at[count].set(jnp.where(alive, jax.lax.rsqrt(squared), 0.0) * res)
      delta, res = delta + alpha * direction, res - alpha * product
      # Residuals are orthogonal to all before, but for rounding errors that soon grow without this.
      res = res - (basis @ res) @ basis
      new = res @ res
      energies = jnp.roll(energies, 1).at[0].set(energies[0] - alpha * squared)
      count += 1
      # The residual says little: where one unknown's part is by far the largest, such as that of a
      # common factor, it is gone after one iteration.
      gaining = energies[-1] - energies[0] > tolerance * energies[0]
      going = (count < jnp.minimum(limit, iterations)) & gaining & alive
      direction = res + jnp.where(alive, new / squared, 0.0) * direction
      return delta, res, direction, new, basis, energies, count, going

    zero = jnp.zeros_like(b)
    basis = jnp.zeros((iterations, b.shape[0]), b.dtype)
    energies = parallel.psum(jnp.vdot(residual, residual)) * jnp.asarray(
      [1.0] + [jnp.inf] * _WINDOW
    )
    start = (zero, -b, -b, b @ b, basis, energies, jnp.int32(0), limit > 0)
    with jax.named_scope("per iterations"):
      delta, res, *_, count, _ = jax.lax.while_loop(lambda carry: carry[-1], body, start)
    # A delta = -b - res - shift delta.
    return Step(delta, -(b @ delta - res @ delta - shift * (delta @ delta)), count)

  return Solver(prepare, solve)


def _gradient(linear, plan, system, residual):
  """J^T r, summed over all devices."""

  def product(chunk, scale):
    prepared, residual = chunk
    return _wide(linear.transpose(system.at, prepared, per_row(scale, residual) * residual))

  return parallel.psum(
    microbatch.accumulate(product, (system.prepared, residual), system.scale, plan)
  )


def per_row(scale: jax.Array, rows: jax.Array) -> jax.Array:
  """A number a point (B,) in the shape of rows (B, ...), to multiply them with."""
  return scale.reshape(scale.shape + (1,) * (rows.ndim - 1))


def _scaled_rows(rows: jax.Array, scale: jax.Array) -> jax.Array:
  """Rows of J (B, ..., P) times a number a point (B,), all on one axis: (B .., P)."""
  return (rows * per_row(scale, rows)).reshape(-1, rows.shape[-1])


def _wide(a: jax.Array) -> jax.Array:
  return a.astype(parallel.widest_dtype())


def _solve_positive(a: jax.Array, b: jax.Array) -> jax.Array:
  """a^{-1} b for a positive definite matrix; not finite where it is not."""
  chex.assert_shape(a, (b.shape[0], b.shape[0]))
  return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(a, lower=True), b)
