"""Counts of the work of a step and of what its devices tell one another."""

import math

import pytest

from configs import pod
from tests.geometry import varieties
from trainer.benchmarks import measured, scaling, scaling_model, step, suite


def test_communication_adds_up_the_results_of_collectives():
  program = """
  %a = f32[3,5]{1,0} all-reduce(%x), replica_groups={{0,1}}
  %b = (f64[7]{0}, s32[]) all-reduce(%y, %n), replica_groups={{0,1}}
  %c = pred[8]{0} all-gather-start(%p), dimensions={0}, metadata={op_name="jit(f)/per tries/while"}
  %e = f32[2]{0} all-reduce(%q), metadata={op_name="jit(f)/per tries/while/per iterations/psum"}
  %d = f32[100]{0} add(%all-reduce.3, %z)
"""
  assert scaling.communication(program) == {
    "": (2, 3 * 5 * 4 + 7 * 8 + 4),
    "tries": (1, 8),
    "iterations": (1, 8),
  }


def test_four_devices_do_a_quarter_of_the_work_each():
  curve = varieties.random_variety("cubic_curve")
  cases = (
    scaling.Case("first_order", "phi_mlp(widths=(16, 16))", 512),
    scaling.Case("parameter_space", "phi_mlp(widths=(4,))", 512),
    scaling.Case("sample_space", "phi_mlp(widths=(16, 16))", 64),
    scaling.Case("conjugate_gradient", "algebraic(degree=3)", 512),
  )
  rows = scaling.count_work(curve, cases, (1, 4))
  assert [(row["solver"], row["devices"]) for row in rows] == [
    (case.solver, devices) for case in cases for devices in (1, 4)
  ]
  for one, four in zip(rows[::2], rows[1::2], strict=True):
    assert one["flops"] / four["flops"] == pytest.approx(4, rel=0.15)
    if one["solver"] != "sample_space":
      assert one["communicated_bytes"] == four["communicated_bytes"] >= 4 * one["parameters"]
  assert 1 < rows[0]["flops"] / step.step_flops(curve, (16, 16), 512) < 2
  # Twenty iterations, one exchange each.
  assert 20 < rows[6]["collectives"] == rows[7]["collectives"] < 30
  # A quarter of J instead of all of it, and J J^T.
  quarter = 64 * rows[5]["parameters"]
  assert quarter < rows[5]["communicated_bytes"] - 8 * 64**2 < 2 * quarter
  assert len(suite.table("scaling", rows).splitlines()) == 9
  predicted = scaling_model.predict(rows)
  assert len(suite.table("predicted", predicted).splitlines()) == 1 + 3 * 4


def test_steps_are_measured_in_one_process_and_in_two():
  rows = measured.measure(varieties.random_variety("cubic_curve"), counts=(1, 2), points=32)
  cases = [(row["scaling"], row["processes"], row["devices"], row["points"]) for row in rows]
  assert cases == [
    ("weak", 1, 1, 32),
    ("strong", 1, 1, 64),
    ("weak", 1, 2, 64),
    ("strong", 1, 2, 64),
    ("weak", 2, 2, 64),
    ("strong", 2, 2, 64),
  ]
  assert rows[0]["throughput"] == rows[1]["throughput"] == 1
  for row in rows:
    alone = rows[row["scaling"] == "strong"]
    assert row["throughput"] == pytest.approx(
      row["points"] / alone["points"] * alone["milliseconds"] / row["milliseconds"]
    )
  assert "cannot grow" in suite.table("measured", rows)


def test_the_model_is_asked_about_the_shipped_config():
  config = pod.get_config("64")
  assert config.data.train_points == config.gauss_newton.batch_size == scaling.CASES[-1].points
  assert config.network == scaling.CASES[-1].network
  assert scaling.CASES[-1].points == scaling.COUNTS[-1] * scaling.POINTS_A_DEVICE


_ROW = dict(
  solver="first_order", points=256, devices=4, flops=4e9, bytes=1e9, communicated_bytes=6e6,
  collectives=3, dense=0,
)  # fmt: skip
_MACHINE = scaling_model.Machine(
  "machine", 1e12, 1e12, 8, scaling_model.Links(1e9, 1e-6), scaling_model.Links(1e8, 1e-5)
)


def test_efficiency_by_hand():
  """4 ms of work. On 64 devices, 8 groups of 8: 10.5 + 13.125 ms and 2 * 3 * (3 + 30) us."""
  seconds = 0.0105 + 0.013125 + 6 * 33e-6
  assert scaling_model.all_reduce(_MACHINE, 64, 6e6, 3) == pytest.approx(seconds)
  (found,) = scaling_model.predict([_ROW], [_MACHINE])
  assert found["points a device"] == 64
  assert found["weak 64"] == pytest.approx(0.004 / (0.004 + seconds))
  assert found["strong 64"] == pytest.approx(0.016 / 64 / (0.016 / 64 + seconds))
  slowest = scaling_model.all_reduce(_MACHINE, 4096, 6e6, 3)
  assert found["points for 0.9"] == pytest.approx(64 * 9 * slowest / 0.004, rel=1e-3)


def test_a_dense_system_is_factored_together():
  row = _ROW | dict(solver="parameter_space", dense=6000)
  fast = _MACHINE._replace(
    fast=scaling_model.Links(math.inf, 0), slow=scaling_model.Links(math.inf, 0)
  )
  (found,) = scaling_model.predict([row], [fast])
  assert found["weak 64"] > 5 and found["weak 4096"] == pytest.approx(1)
