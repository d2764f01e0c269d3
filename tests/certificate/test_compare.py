"""Runs beside each other: the right numbers in the right columns, and one line for bad input."""

import json

import pytest

from trainer.certificate import compare
from trainer.errors import UserError


def _write(workdir, sigma, seconds, passed=True):
  workdir.mkdir(parents=True)
  entry = lambda value, exact=None: {"value": value, "stderr": value / 100, "exact": exact}
  content = {
    "measures": {"E": entry(sigma**2), "kappa": entry(2.0), "sigma": entry(sigma)}
    | {"volume": entry(0.83, 5 / 6)},
    "run": {"network": f"net(size={seconds})", "seconds": seconds, "parameters": 1200},
    "verdict": {"passed": passed},
  }
  (workdir / "certificate.json").write_text(json.dumps(content))
  rows = [{"step": n, "seconds": 10.0 * n, "sigma": s} for n, s in ((1, 0.3), (2, sigma))]
  rows = [row | {"sigma_stderr": 0.01} for row in rows]
  (workdir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
  return workdir


def test_a_table_and_a_picture(tmp_path):
  runs = [_write(tmp_path / "a" / "x", 0.02, 50), _write(tmp_path / "b" / "x", 0.04, 60, False)]
  table = compare.compare(runs, tmp_path / "comparison.png")
  lines = {line.split()[0]: line.split()[1:] for line in table.splitlines()}
  assert lines["run"] == ["a/x", "b/x"]
  assert lines["network"] == ["net(size=50)", "net(size=60)"]
  assert lines["unknowns"] == ["1,200", "1,200"] and lines["seconds"] == ["50", "60"]
  assert lines["verdict"] == ["PASS", "FAIL"]
  assert lines["sigma"] == ["0.02000", "±", "0.00020", "0.04000", "±", "0.00040"]
  assert list(lines).index("sigma") < list(lines).index("E")
  assert "volume" not in lines  # Fixed by topology.
  assert (tmp_path / "comparison.png").read_bytes()[:4] == b"\x89PNG"


def test_what_cannot_be_compared_is_said(tmp_path):
  run = _write(tmp_path / "a", 0.02, 50)
  for runs, message in (
    ([run], "two runs or more"),
    ([run, run], "names one run twice"),
    ([run, tmp_path / "none"], "holds no certificate"),
  ):
    with pytest.raises(UserError, match=message):
      compare.compare(runs, tmp_path / "comparison.png")
  assert not (tmp_path / "comparison.png").exists()
