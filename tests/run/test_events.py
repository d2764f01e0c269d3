"""Event files, read back with the definition of their format."""

import struct
import sys

import pytest

from trainer.errors import UserError
from trainer.run import metrics
from trainer.run.events import EventWriter


@pytest.fixture
def written(tmp_path):
  pytest.importorskip("tensorboardX")
  return tmp_path / "tensorboard"


def _events(directory):
  """Of all files in turn: (length, its checksum, data, their checksum) of each record."""
  from tensorboardX.proto.event_pb2 import Event

  found = []
  for path in sorted(directory.iterdir()):
    data = path.read_bytes()
    while data:
      (size,) = struct.unpack("<Q", data[:8])
      found.append(Event.FromString(data[12 : 12 + size]))
      data = data[16 + size :]
  return found


def _scalars(event):
  return {value.tag: value.simple_value for value in event.summary.value}


def test_rows_are_scalars_and_a_resumed_run_writes_its_own_again(written, tmp_path):
  path = tmp_path / "metrics.jsonl"
  writer = metrics.MetricsWriter(path, True, EventWriter(written))
  row = lambda step, **values: {"step": step, "seconds": 0.5, **values}
  writer.resume(0)
  writer.write(row(5, loss=0.25, accepted=True))
  writer.write(row(10, loss=0.125))
  again = metrics.MetricsWriter(path, True, EventWriter(written))
  again.resume(5)
  again.write(row(10, loss=0.0625))
  version, start, five, ten, _, resumed, ten_again = _events(written)
  assert version.file_version == "brain.Event:2" and start.step == 0
  assert five.step == 5 and _scalars(five) == {"seconds": 0.5, "loss": 0.25, "accepted": 1.0}
  assert ten.step == 10 and _scalars(ten)["loss"] == 0.125
  assert resumed.step == 6 and resumed.session_log.status == resumed.session_log.START
  assert _scalars(ten_again)["loss"] == 0.0625


def test_a_full_disk_costs_the_rows_that_it_does_not_take(written, monkeypatch):
  writer = EventWriter(written)
  writer.write({"step": 1, "loss": 1.0})

  def full(data):
    raise OSError("no space")

  monkeypatch.setattr(writer._file, "write", full)
  writer.write({"step": 2, "loss": 2.0})
  writer.write({"step": 3, "loss": 3.0})
  assert [_scalars(event)["loss"] for event in _events(written) if event.summary.value] == [1, 3]


def test_without_its_package_one_line_says_what_to_do(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "tensorboardX.proto", None)
  with pytest.raises(UserError, match="pip install"):
    EventWriter(tmp_path)
