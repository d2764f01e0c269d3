"""A loss that stops being finite: skipped steps, restarts, an end whose advice fits the cause."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.loop import recover
from trainer.loop.job import Job, NonfiniteError, is_skipping
from trainer.optimizers.state import new_state
from trainer.run.checkpoints import Checkpoints
from trainer.run.host import Host


def _row(length):
  """A state after step 10, the last so many of which were skipped."""
  return SimpleNamespace(
    step=jnp.int32(10), nonfinite_step=jnp.int32(11 - length if length else -1)
  )


def test_several_in_a_row_or_the_last_are_no_accident():
  assert not is_skipping(_row(0), last=True) and is_skipping(_row(1), last=False)
  for length, last in ((1, True), (5, False)):
    with pytest.raises(NonfiniteError) as error:
      is_skipping(_row(length), last)
    assert error.value.args == (11 - length,)


def _state(step, params=0.0):
  return new_state(jnp.int32(step), jnp.float64(params), jnp.float64(1.0))


def _train(monkeypatch, tmp_path, behaviour, start=0, checkpoints=()):
  """Runs recover.train around a loop; what each of its calls was given: restarts, step, damping."""
  calls, notes, mesh = [], [], parallel.make_mesh(jax.devices()[:1])

  def train(job, state, saved):
    calls.append((job.restarts, int(state.step), float(state.optimizer)))
    return behaviour(len(calls), state)

  careful = lambda state: state._replace(optimizer=state.optimizer * 100)
  loop = SimpleNamespace(train=train, careful=careful, ADVICE="slow down")
  monkeypatch.setattr(recover.states, "loop_of", lambda run: loop)
  job = Job(SimpleNamespace(phase=0), mesh, *[None] * 8, Host())._replace(
    workdir=tmp_path,
    progress=SimpleNamespace(note=notes.append),
    writer=SimpleNamespace(resume=lambda step: None),
  )
  try:
    with Checkpoints(tmp_path, 0, 1) as saved:
      for step in checkpoints:
        saved.save(step, parallel.replicate(mesh, _state(step, params=step)))
      saved.finish()
      recover.train(job, parallel.replicate(mesh, _state(start)), saved)
      steps = saved.all_steps()
  except UserError as error:
    return calls, notes, str(error)
  return calls, notes, steps


def _fails(bad, times):
  def behaviour(call, state):
    if call <= times:
      raise NonfiniteError(bad)
    return state

  return behaviour


def test_the_last_checkpoint_known_to_be_good_is_gone_back_to(monkeypatch, tmp_path):
  """At the parameters of step 6 the loss was not finite."""
  calls, notes, steps = _train(monkeypatch, tmp_path, _fails(7, 1), checkpoints=(4, 6))
  assert calls == [(0, 0, 1.0), (1, 4, 100.0)] and steps == [4]
  assert notes == ["the loss is not finite since step 7: going on from step 4 with more caution"]
  # A run that is started again knows of it.
  calls, *_ = _train(monkeypatch, tmp_path, _fails(9, 1), start=4)
  assert [restarts for restarts, *_ in calls] == [1, 2]


def test_restarts_are_bounded_and_the_step_is_named(monkeypatch, tmp_path):
  calls, _, message = _train(monkeypatch, tmp_path, _fails(7, 9))
  assert [restarts for restarts, *_ in calls] == [0, 1, 2]
  assert message == ("the loss is not finite since step 7: 2 restarts did not help; slow down")


@pytest.mark.parametrize("start", [0, 60])
def test_a_network_that_never_was_finite_is_the_cause(monkeypatch, tmp_path, start):
  calls, _, message = _train(monkeypatch, tmp_path, _fails(start + 1, 9), start=start)
  assert len(calls) == 1 and "checkpoint" not in message and "slow down" not in message
  assert f"since step {start + 1}: before anything was trained: the network" in message
