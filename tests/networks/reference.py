"""Slow and obvious versions of what networks/ computes: nested autodiff, complex arithmetic."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from networks import jets, quadratic


def pack(h):
  """Hermitian (n, n, ...) -> (n * n, ...) real."""
  n = h.shape[0]
  upper = quadratic.pairs(n)
  return jnp.stack(
    [h[a, a].real for a in range(n)]
    + [h[a, b].real for a, b in upper]
    + [h[a, b].imag for a, b in upper]
  )


def unpack(rows):
  """(n * n, ...) real -> Hermitian (n, n, ...)."""
  n = round(rows.shape[0] ** 0.5)
  upper = quadratic.pairs(n)
  entries = {(a, a): rows[a] + 0j for a in range(n)}
  for k, (a, b) in enumerate(upper):
    entries[a, b] = rows[n + k] + 1j * rows[n + len(upper) + k]
    entries[b, a] = entries[a, b].conj()
  return jnp.stack([jnp.stack([entries[a, b] for b in range(n)]) for a in range(n)])


@functools.partial(jax.jit, static_argnums=(0, 1))
def jet_at_origin(function, n):
  """Rows of the jet of function(u), u = (Re x, Im x), at u = 0, by two nested forward passes."""
  origin = jnp.zeros(2 * n)
  gradient = jnp.moveaxis(jax.jacfwd(function)(origin), -1, 0)
  hessian = jnp.moveaxis(jax.jacfwd(jax.jacfwd(function))(origin), (-2, -1), (0, 1))
  xx, xy, yx, yy = hessian[:n, :n], hessian[:n, n:], hessian[n:, :n], hessian[n:, n:]
  mixed = 0.25 * (xx + yy + 1j * (xy - yx))
  return jnp.concatenate(
    [function(origin)[None], 0.5 * gradient[:n], -0.5 * gradient[n:], pack(mixed)]
  )


def points(ambient, n, batch, seed=0):
  """Random x (batch, 2N) and pullback (batch, n, N) in an ambient space; any J will do."""
  rng = np.random.default_rng(seed)
  size = sum(ambient) + len(ambient)
  z = rng.normal(size=(batch, size)) + 1j * rng.normal(size=(batch, size))
  j = rng.normal(size=(batch, n, size)) + 1j * rng.normal(size=(batch, n, size))
  return np.concatenate([z.real, z.imag], axis=1), j


def network(function, ambient, n, batch=3):
  """A Haiku function with random parameters: (apply, parameters, x, pullback)."""
  x, pullback = points(ambient, n, batch)
  net = hk.without_apply_rng(hk.transform(function))
  params = jax.jit(net.init)(jax.random.key(0), jnp.asarray(x[0]))
  rng = np.random.default_rng(1)
  # Every parameter is random: the last layer starts at zero, which would hide everything.
  params = jax.tree.map(lambda p: rng.normal(size=p.shape) * p.shape[0] ** -0.5, params)
  return jax.jit(net.apply), params, jnp.asarray(x), jnp.asarray(pullback)


@functools.partial(jax.jit, static_argnums=0)
def nested_jet(function, x, pullback):
  """The same rows as a jet network, from (batch, 2N), (batch, n, N): autodiff over the 2N ambient
  coordinates, pulled back by the chain rule."""

  def point(x, j):
    size = j.shape[-1]

    def slope(x):
      value, gradient = jax.value_and_grad(function)(x)
      return gradient, (value, gradient)

    hessian, (value, gradient) = jax.jacfwd(slope, has_aux=True)(x)
    holomorphic = 0.5 * (gradient[:size] - 1j * gradient[size:])
    xx, xy = hessian[:size, :size], hessian[:size, size:]
    yx, yy = hessian[size:, :size], hessian[size:, size:]
    levi = 0.25 * (xx + yy + 1j * (xy - yx))
    first = j @ holomorphic
    return jnp.concatenate([value[None], first.real, first.imag, pack(j @ levi @ j.conj().T)])

  return jax.vmap(point, out_axes=1)(x, pullback)


def assert_invariant_under_rescaling(apply, params, x, pullback):
  """A network on P1 x P2, its values and jets, does not see the scale of a factor's coordinates."""
  factor = np.array([2.0 + 1.0j] * 2 + [-0.3j] * 3)
  z = (np.asarray(x[:, :5]) + 1j * np.asarray(x[:, 5:])) * factor
  scaled = jnp.asarray(np.concatenate([z.real, z.imag], axis=1))
  np.testing.assert_allclose(apply(params, scaled), apply(params, x), rtol=1e-12)
  np.testing.assert_allclose(
    apply(params, jets.from_coordinates(scaled, pullback * factor)).rows,
    apply(params, jets.from_coordinates(x, pullback)).rows,
    rtol=1e-11,
    atol=1e-12,
  )
