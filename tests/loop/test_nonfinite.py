"""A loss that stops being finite: the advice fits the cause."""

from types import SimpleNamespace

import jax.numpy as jnp
import pytest

from trainer.errors import UserError
from trainer.loop.job import stop_if_nonfinite


def _message(bad, first=0, saved=None):
  manager = SimpleNamespace(latest_step=lambda: saved)
  with pytest.raises(UserError) as error:
    stop_if_nonfinite(SimpleNamespace(nonfinite_step=jnp.int32(bad)), first, manager, "slow down")
  return str(error.value)


def test_a_finite_loss_goes_on():
  stop_if_nonfinite(SimpleNamespace(nonfinite_step=jnp.int32(-1)), 0, None, "")


@pytest.mark.parametrize("first", [0, 60])
def test_a_network_that_never_was_finite_is_the_cause(first):
  message = _message(first + 1, first)
  assert f"since step {first + 1}: before anything was trained: the network" in message
  assert "slow down" not in message and "checkpoint" not in message


def test_steps_that_lead_off_are_the_cause():
  assert _message(7) == "the loss is not finite since step 7: slow down"
  assert _message(7, saved=5).endswith("slow down; the checkpoint of step 5 holds the state before")
