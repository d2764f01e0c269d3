"""Imports go launch -> trainer -> networks, in trainer from a room only to those before it."""

import ast
import pathlib
import re

_ROOT = pathlib.Path(__file__).parents[1]
_FLOORS = (
  "errors geometry devices sampling points problem curvature metric optimizers run certificate "
  "loop moduli quadrature spectrum harmonic bundles use benchmarks"
).split()


def _imports(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom):
      yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)


def test_no_import_runs_back_up():
  for path in (_ROOT / "trainer").rglob("*.py"):
    room = path.relative_to(_ROOT / "trainer").parts[0].removesuffix(".py")
    if room == "__init__":
      continue
    for name in _imports(path):
      package, *rest = name.split(".")
      assert package not in ("launch", "tests", "configs"), f"{path} imports {name}"
      if package == "trainer" and rest[0] in _FLOORS:
        assert _FLOORS.index(rest[0]) <= _FLOORS.index(room), f"{path} imports {name}"
  for path in (_ROOT / "networks").rglob("*.py"):
    assert not [name for name in _imports(path) if name.split(".")[0] in ("trainer", "launch")]


def test_what_every_problem_shares_knows_no_metric():
  for room in ("problem", "optimizers", "run", "loop"):
    for path in (_ROOT / "trainer" / room).rglob("*.py"):
      words = set(re.findall(r"[A-Za-z_]+", path.read_text()))
      assert not words & {"eta", "kappa", "log_kappa", "sigma"}, path
      assert not [name for name in _imports(path) if name.startswith("trainer.metric")], path


def test_rooms_and_files_keep_their_size():
  assert {p.name for p in (_ROOT / "trainer").glob("*.py")} == {"__init__.py", "errors.py"}
  long = [p for p in _ROOT.rglob("*.py") if ".venv" not in p.parts and _lines(p) > 300]
  assert not long


def _lines(path):
  return len(path.read_text().splitlines())
