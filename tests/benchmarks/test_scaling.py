"""Counts of the work of a step and of what its devices tell one another."""

import pytest

from tests.geometry import varieties
from trainer.benchmarks import scaling, step, suite


def test_communication_adds_up_the_results_of_collectives():
  program = """
  %a = f32[3,5]{1,0} all-reduce(%x), replica_groups={{0,1}}
  %b = (f64[7]{0}, s32[]) all-reduce(%y, %n), replica_groups={{0,1}}
  %c = pred[8]{0} all-gather-start(%p), dimensions={0}
  %d = f32[100]{0} add(%all-reduce.3, %z)
"""
  assert scaling.communication(program) == (3, 3 * 5 * 4 + 7 * 8 + 4 + 8)


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
    assert one["communicated_bytes"] == four["communicated_bytes"] >= 4 * one["parameters"]
  assert 1 < rows[0]["flops"] / step.step_flops(curve, (16, 16), 512) < 2
  assert rows[4]["communicated_bytes"] >= 4 * 64 * rows[4]["parameters"]
  assert len(suite.table("scaling", rows).splitlines()) == 9
