"""Algebraic metrics on varieties: Fubini-Study at the start, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.geometry import varieties
from trainer.errors import UserError
from trainer.geometry import hermitian
from trainer.geometry.variety import Variety
from trainer.metric.ansatz import make_ansatz
from trainer.points import batch as batches


@pytest.mark.parametrize(
  "name, moduli, network",
  [
    ("quintic", (1.0,), "algebraic(degree=5)"),
    ("cubic_pair", (1.0,), "algebraic(degree=3)"),
    ("bicubic", (1.0, 1.5), "algebraic(degree=2)"),
    ("bicubic", (0.3, 7.0), "algebraic(degree=3)"),  # Several terms.
  ],
)
def test_starts_at_fubini_study(name, moduli, network):
  """Degrees in which the polynomials are relations between the monomials."""
  variety = varieties.sparse_variety(name)
  variety = Variety(variety.ambient, variety.polynomials, moduli)
  z = varieties.some_points(variety, 3)
  batch = jax.jit(lambda z: batches.prepare(variety, z, jnp.ones(len(z))))(z)
  ansatz = make_ansatz(variety, network)
  assert ansatz.path == "jets"
  params = ansatz.init(jax.random.key(0))
  metric = jax.jit(ansatz.metric)(params, batch)
  np.testing.assert_allclose(metric, batch.fubini_study.T, atol=1e-13)

  rng = np.random.default_rng(0)
  params = jax.tree.map(lambda a: a + 0.1 / len(a) * rng.normal(size=a.shape), params)
  moved = jax.jit(ansatz.metric)(params, batch)
  assert np.max(np.abs(moved - metric)) > 1e-4
  assert np.min(hermitian.least_eigenvalue(moved, batch.fubini_study.T)) > 0


@pytest.mark.parametrize(
  "moduli, network, message",
  [
    ((1.0, 0.5), "low_rank(degree=3, rank=1)", "must be whole numbers"),
    ((0.3, 2**0.5), "invariant(degree=1)", "takes any moduli"),
    ((1.0, 1.0), "algebraic(degree=0)", "positive whole number"),
    ((1.0, 1.0), "algebraic", "degree"),
  ],
)
def test_what_has_no_sections_is_refused(moduli, network, message):
  bicubic = varieties.random_variety("bicubic")
  with pytest.raises(UserError, match=message):
    make_ansatz(Variety(bicubic.ambient, bicubic.polynomials, moduli), network)
