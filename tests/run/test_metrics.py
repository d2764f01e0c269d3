import io
import json
import math

import pytest

from trainer.errors import UserError
from trainer.run import metrics


class _Terminal(io.StringIO):
  def isatty(self):
    return True


@pytest.fixture
def path(tmp_path):
  return tmp_path / "metrics.jsonl"


def _row(step, **values):
  return {"step": step, "seconds": 2.5 * step, **values}


def test_rows_read_back(path):
  writer = metrics.MetricsWriter(path, enabled=True)
  assert writer.resume(0) == 0.0
  writer.write(_row(1, loss=0.5, gradient_norm=math.inf))
  assert metrics.read_history(path) == [_row(1, loss=0.5, gradient_norm=None)]
  writer.write(_row(2, loss=0.25))
  assert [row["step"] for row in metrics.read_history(path)] == [1, 2]


def test_resume_drops_later_rows_and_a_torn_line(path):
  rows = [_row(0, sigma=0.37), _row(1), _row(2), _row(3)]
  path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 4, "sec')
  assert metrics.read_history(path) == rows
  writer = metrics.MetricsWriter(path, enabled=True)
  assert writer.resume(2) == 5.0
  writer.write(_row(3, loss=0.1))
  assert metrics.read_history(path) == [*rows[:3], _row(3, loss=0.1)]
  assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_whole_row_without_its_newline_is_torn(path):
  path.write_text(json.dumps(_row(1)) + "\n" + json.dumps(_row(2)))
  writer = metrics.MetricsWriter(path, enabled=True)
  writer.resume(2)
  writer.write(_row(3))
  assert [row["step"] for row in metrics.read_history(path)] == [1, 3]


def test_a_run_without_checkpoint_starts_anew(path):
  path.write_text(json.dumps(_row(0)) + "\n" + json.dumps(_row(1)) + "\n")
  assert metrics.MetricsWriter(path, enabled=True).resume(0) == 0.0
  assert metrics.read_history(path) == []


def test_damage_inside_is_an_error(path):
  path.write_text(json.dumps(_row(0)) + '\n{"step": \n' + json.dumps(_row(1)) + "\n")
  with pytest.raises(UserError, match="line 2"):
    metrics.read_history(path)


def test_other_processes_write_nothing(path):
  writer = metrics.MetricsWriter(path, enabled=False)
  assert writer.resume(3) == 0.0
  writer.write(_row(1))
  stream = io.StringIO()
  progress = metrics.Progress(enabled=False, stream=stream)
  progress.note("hello")
  progress.sampling(1, 2)
  progress.update(1, _row(1, loss=1.0))
  progress.close()
  assert not path.exists() and stream.getvalue() == ""


def test_log_gets_plain_lines_at_intervals(monkeypatch):
  clock = [0.0]
  monkeypatch.setattr(metrics.time, "monotonic", lambda: clock[0])
  stream = io.StringIO()
  progress = metrics.Progress(enabled=True, stream=stream)
  progress.start("training", 400, "sigma")
  progress.note("4 devices")
  progress.sampling(500, 1000)
  progress.sampling(1000, 1000)
  progress.sampling(100, 200)
  for step in range(100, 401, 10):
    sigma = {"sigma": 0.3 - step / 2000} if step % 200 == 0 else {}
    progress.update(step, _row(step, loss=0.5, points_per_second=61234.0, **sigma))
    clock[0] += 3.0
  progress.close()
  lines = stream.getvalue().splitlines()
  assert "\r" not in stream.getvalue()
  assert lines[:5] == [
    "4 devices",
    "sampling 500/1000",
    "sampling 1000/1000",
    "sampling 100/200",
    "training 100/400: loss 0.5, 61.2k points/s",
  ]
  # Every 10 seconds (four rows), and where sigma was measured, and at the end.
  assert [int(line.split()[1].split("/")[0]) for line in lines[5:]] == [
    140,
    180,
    200,
    240,
    280,
    320,
    360,
    400,
  ]
  assert lines[7] == "training 200/400: loss 0.5, sigma 0.2, 61.2k points/s, 01:00 left"
  assert lines[8].startswith("training 240/400: loss 0.5, sigma 0.2,")
  assert lines[-1] == "training 400/400: loss 0.5, sigma 0.1, 61.2k points/s"


def test_terminal_gets_a_bar():
  stream = _Terminal()
  progress = metrics.Progress(enabled=True, stream=stream)
  progress.start("training", 400, "sigma")
  progress.sampling(1000, 1000)
  progress.update(100, _row(100, loss=0.5, sigma=0.25, points_per_second=900.0))
  progress.note("between")
  progress.update(200, _row(200, loss=0.125, points_per_second=61234.0))
  progress.close()
  text = stream.getvalue()
  assert "sampling 100%" in text and "between\n" in text and text.endswith("\n")
  last = text.rstrip().split("\r")[-1]
  assert "200/400" in last and "loss 0.125, sigma 0.25, 61.2k points/s" in last


def test_stages_are_named_and_bars_end_when_they_are_done():
  stream = _Terminal()
  progress = metrics.Progress(enabled=True, stream=stream)
  progress.sampling(500, 1000)
  progress.sampling(1000, 1000)
  assert stream.getvalue().endswith("\n")
  progress.stage("compiling a step")
  assert stream.getvalue().endswith("\ncompiling a step\n")
  progress.start("training", 400, "sigma")
  progress.update(100, _row(100, loss=0.5))
  progress.stage("measuring")
  assert stream.getvalue().endswith("\nmeasuring\n")


def test_time_elapsed_is_the_runs_and_time_left_goes_by_this_process(monkeypatch):
  """A run resumed after 1000 seconds and 100 slow steps, now at a step a second."""
  clock = [0.0]
  monkeypatch.setattr(metrics.time, "time", lambda: clock[0])
  monkeypatch.setattr("tqdm.std.time", lambda: clock[0])
  stream = _Terminal()
  progress = metrics.Progress(enabled=True, stream=stream)
  progress.start("training", 400, "sigma")
  for step in range(101, 111):
    clock[0] += 1.0
    progress.update(step, {"step": step, "seconds": 900 + float(step)})
  last = stream.getvalue().split("\r")[-1]
  assert "[16:50<04:50" in last
