"""Networks that are no functions on the manifold are refused before anything is sampled."""

import pytest

from configs import fermat_cubic
from tests.geometry.varieties import random_variety
from trainer.errors import UserError
from trainer.metric import invariance
from trainer.metric.problem import metric_problem

_FILE = """
import haiku as hk
import jax
import jax.numpy as jnp

def parts(x):
  return x[:3] + 1j * x[6:9], x[3:6] + 1j * x[9:]

def raw(x):
  return hk.nets.MLP([8, 1], activation=jnp.tanh)(x)[0]

def starts_at_zero(x):
  first, _ = parts(x)
  w = hk.get_parameter("w", (), x.dtype, init=jnp.zeros)
  return w * jnp.sum(jnp.abs(first))

def sees_a_phase(x):
  _, second = parts(x)
  return (second[0] / jnp.linalg.norm(second)).real

def invariant(x):
  first, second = parts(x)
  return jnp.tanh(jnp.abs(first[0] / first[1])) + jnp.abs(second[0] / jnp.linalg.norm(second))

def zero(x):
  return 1e-17 * jnp.sum(x)

def form(x, wrong=False):
  first, second = parts(x)
  block = lambda z: jnp.eye(3) / jnp.sum(jnp.abs(z) ** 2) ** (0.5 if wrong else 1)
  zeros = jnp.zeros((3, 3))
  return jnp.block([[block(first), zeros], [zeros, block(second)]]) + 0j

def not_finite(x):
  return jnp.log(-jnp.sum(x ** 2))
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
  path = tmp_path_factory.mktemp("user") / "mine.py"
  path.write_text(_FILE)
  return path


@pytest.mark.parametrize("network", ["raw", "starts_at_zero"])
def test_the_scale_of_a_factor_must_not_matter(mine, network):
  with pytest.raises(UserError, match=r"changes by .* of its size .* factor [12] \(P\^2\)"):
    invariance.check_invariance(random_variety("bicubic"), f"{mine}:{network}")


def test_the_message_names_the_factor(mine):
  with pytest.raises(UserError, match=r"not a function on the manifold.* factor 2 \(P\^2\)"):
    invariance.check_invariance(random_variety("bicubic"), f"{mine}:sees_a_phase")


def test_a_form_must_be_covariant(mine):
  variety = random_variety("bicubic")
  invariance.check_invariance(variety, f"{mine}:form")
  with pytest.raises(UserError, match="not a form on the manifold"):
    invariance.check_invariance(variety, f"{mine}:form(wrong=True)")


@pytest.mark.parametrize("network", ["invariant", "zero", "phi_mlp(widths=(4,))"])
def test_invariant_networks_pass(mine, network):
  invariance.check_invariance(
    random_variety("bicubic"), network if "(" in network else f"{mine}:{network}"
  )


def test_a_network_that_is_nowhere_finite_is_named(mine):
  with pytest.raises(UserError, match="not finite at any of 4 random points"):
    invariance.check_invariance(random_variety("bicubic"), f"{mine}:not_finite")


def test_a_sum_is_checked_term_by_term_before_sampling(mine):
  (mine.parent / "cubic.py").write_text("def raw(x):\n  return x.sum()\n")
  config = fermat_cubic.get_config()
  network = f"phi_mlp(widths=(4,)) + {mine.parent}/cubic.py:raw"
  with pytest.raises(UserError, match="cubic.py:raw' is not a function on the manifold"):
    metric_problem(config, network, squares=True).check(thorough=False)
