"""Polynomials of many terms: the same values and derivatives, and programs of one size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trainer.geometry import members, monomials, patches
from trainer.geometry.polynomials import Polynomial, evaluate
from trainer.geometry.variety import Variety
from trainer.sampling import sampler as samplers

DENSE = {"P1^5": ((1,) * 5, ((2,),) * 5), "P6[7]": ((6,), ((7,),))}


def _dense(name):
  ambient, degrees = DENSE[name]
  return members.random_variety(ambient, degrees, (1.0,) * len(ambient), 0)


def _some_points(count, seed=0):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(count, 3)) + 1j * rng.normal(size=(count, 3))


def _equations(f, *arguments):
  """How many operations the program of f has, loops' bodies included."""
  inner = lambda e: sum(
    size(j.jaxpr if hasattr(j, "jaxpr") else j)
    for j in jax.tree.leaves(list(e.params.values()), is_leaf=lambda j: hasattr(j, "eqns"))
    if hasattr(j, "eqns") or hasattr(j, "jaxpr")
  )
  size = lambda jaxpr: sum(1 + inner(e) for e in jaxpr.eqns)
  return size(jax.make_jaxpr(f)(*arguments).jaxpr)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64, np.float64, np.float32])
@pytest.mark.parametrize("library", [np, jnp])
def test_arrays_have_the_values_of_the_terms(library, dtype):
  rng = np.random.default_rng(0)
  polynomials = (
    Polynomial((), ()),
    members.random_polynomial((1, 2), (2, 3), rng),
    members.fermat(5),
    Polynomial(((0,) * 5, (0, 3, 0, 0, 1)), (2 + 1j, -1)),
    Polynomial(((0,) * 5,), (3,)),
  )
  z = _some_points(5)
  z = library.asarray((z if np.issubdtype(dtype, complex) else z.real).astype(dtype))
  values = monomials.evaluate(tuple(q.terms for q in polynomials), z)
  assert isinstance(values, type(z)) and values.dtype == np.result_type(dtype, np.complex64)
  accuracy = 1e-12 if values.dtype == np.complex128 else 1e-4
  for value, q in zip(values, polynomials, strict=True):
    np.testing.assert_allclose(value, q(z), rtol=accuracy, atol=accuracy)


def test_real_arrays_stay_real():
  assert monomials.evaluate((members.fermat(3).terms,), np.ones((3, 1))).dtype == np.float64


@pytest.mark.parametrize("name", DENSE)
def test_derivatives_of_many_terms(name):
  variety = _dense(name)
  (q,), z = variety.polynomials, jnp.asarray(_some_points(variety.num_coordinates)[:, 0])
  gradient = jax.jit(lambda z: patches.gradient(variety, z))
  expected = gradient(z)
  np.testing.assert_allclose(expected[0], jax.jit(jax.grad(q, holomorphic=True))(z), rtol=1e-10)
  np.testing.assert_allclose(
    jax.jit(jax.vmap(gradient))(jnp.stack([z, 2 * z]))[0], expected, rtol=1e-12
  )


@pytest.mark.parametrize("name", DENSE)
def test_programs_do_not_grow_with_the_number_of_terms(name):
  variety = _dense(name)
  (q,), z = variety.polynomials, jnp.asarray(_some_points(variety.num_coordinates))
  assert _equations(q, z) < 150
  assert _equations(lambda z: evaluate(variety.gradients[0], z), z) < 150
  # Types of slices differ by a permutation of the factors.
  sampler = samplers.Sampler(variety)
  frames, *_ = jax.eval_shape(lambda: sampler.frames(jax.random.key(0), 0))
  assert _equations(lambda f: samplers.solve_slices(variety, sampler.types[0], f), frames) < 1000


def test_sparse_polynomials_are_written_out():
  """Term by term they are faster."""
  variety = Variety((4,), (members.dwork(5, 0.5),), (1.0,))
  text = str(jax.make_jaxpr(lambda z: patches.gradient(variety, z))(jnp.ones(5, complex)))
  assert "gather" not in text and "dot_general" not in text
