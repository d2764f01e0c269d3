"""Sections and their holomorphic derivatives against plain complex arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from networks import jets, jets22, sections, terms
from tests.networks import reference, test_jets22


def monomials(ambient, degrees):
  rows = [[]]
  for n, d in zip(ambient, degrees):
    choices = [row for row in np.ndindex(*[d + 1] * (n + 1)) if sum(row) == d]
    rows = [row + list(choice) for row in rows for choice in choices]
  return np.array(rows)


def coefficients_like(exponents, kind, ambient):
  """Random coefficients; "near" is what bases on a variety look like, a diagonal plus low rank."""
  rng = np.random.default_rng(0)
  size = len(exponents)
  complex_normal = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)
  if kind == "diagonal":
    return np.eye(size)[:, ::2]
  if kind == "dense":
    return complex_normal(size, 3)
  factorials = np.array([1, 1, 2, 6, 24, 120])
  ends = np.cumsum([n + 1 for n in ambient])[:-1]
  degrees = np.array([block[0].sum() for block in np.split(exponents, ends, axis=1)])
  scales = (factorials[degrees].prod() / factorials[exponents].prod(axis=1)) ** 0.5
  near = np.eye(size) + 0.1 / size * (
    rng.normal(size=(size, 1)) if kind == "real" else complex_normal(size, 1)
  ) * np.ones(size)
  return scales[:, None] * np.delete(near, 1, axis=1)


@pytest.mark.parametrize(
  "ambient, degrees, kind",
  [
    ((2,), (1,), "dense"),
    ((3,), (4,), "near"),
    ((4,), (3,), "real"),
    ((4,), (3,), "diagonal"),
    ((1, 2), (2, 1), "near"),
    ((1, 1, 1), (2, 1, 2), "real"),
  ],
)
def test_rows_equal_complex_arithmetic(ambient, degrees, kind):
  exponents = np.random.default_rng(1).permutation(monomials(ambient, degrees))
  coefficients = coefficients_like(exponents, kind, ambient)
  n = 2
  x, pullback = reference.points(ambient, n, 3)
  size = pullback.shape[-1]
  rows = jax.jit(
    lambda *a: sections.section_rows(exponents, coefficients, ambient, jets.from_coordinates(*a))
  )(x, pullback)
  values = jax.jit(lambda x: sections.section_rows(exponents, coefficients, ambient, x))(x)
  assert rows.shape == (1 + n, 3, 2 * coefficients.shape[1])
  np.testing.assert_allclose(values, rows[:1], rtol=1e-13, atol=1e-13)

  z, j = x[:, :size] + 1j * x[:, size:], np.moveaxis(pullback, 1, 0)
  start = 0
  for k in ambient:
    s = slice(start, start + k + 1)
    length = np.linalg.norm(z[:, s], axis=1, keepdims=True)
    z[:, s], j[..., s] = z[:, s] / length, j[..., s] / length
    j[..., s] -= np.sum(j[..., s] * z[:, s].conj(), axis=-1, keepdims=True) * z[:, s]
    start = s.stop
  evaluate = lambda z: jnp.prod(z[:, None, :] ** exponents, axis=2) @ coefficients
  for got, expected in [(rows[0], evaluate(z))] + [
    (rows[1 + a], jax.jvp(evaluate, (z,), (j[a],))[1]) for a in range(n)
  ]:
    np.testing.assert_allclose(
      got, np.concatenate([expected.real, expected.imag], axis=1), rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize("kind, dense", [("near", False), ("real", False), ("dense", True)])
def test_low_rank_is_found(kind, dense):
  exponents = monomials((4,), (3,))
  plan = sections.make_plan(exponents, coefficients_like(exponents, kind, (4,)), (4,))
  assert (plan.scales is None) == dense and (dense or plan.left.shape[1] == 1)


def test_float32_stays_float32():
  exponents = monomials((2,), (2,))
  coefficients = coefficients_like(exponents, "near", (2,))
  x, pullback = reference.points((2,), 1, 2)
  text = str(
    jax.make_jaxpr(
      lambda *a: sections.section_rows(exponents, coefficients, (2,), jets.from_coordinates(*a))
    )(x.astype(np.float32), pullback.astype(np.complex64))
  )
  assert "f64" not in text and "c128" not in text


@pytest.mark.parametrize("kind", ["array", "jet", "jet22"])
def test_a_quotient_is_the_section_it_is_made_of(kind):
  """s y_p over y_p, s of multidegree (0, 2)."""
  ambient, n = (1, 2), 1
  exponents = monomials(ambient, (0, 2))
  coefficients = coefficients_like(exponents, "dense", ambient)
  lifted = np.concatenate([exponents + [1, 0, 0, 0, 0], exponents + [0, 1, 0, 0, 0]])
  blocks = np.stack([np.eye(2)[p][:, None, None] * coefficients for p in (0, 1)])
  quotients = terms.Quotients(0, lifted, blocks.reshape(2, len(lifted), -1))
  x, pullback = reference.points(ambient, n, 2)
  if kind == "jet":
    x = jets.from_coordinates(x, pullback)
  elif kind == "jet22":
    x = jets22.from_coordinates(x, pullback, test_jets22._second(ambient, n, 2))
  found = terms.quotient_rows(quotients, ambient, x)
  expected = sections.section_rows(exponents, coefficients, ambient, x)
  np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
