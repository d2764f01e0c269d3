"""The sections of a report for fields that were found on a run's manifold, from their JSON files.

`refresh` puts them into a report that is there; a report that is made anew has them at once.
"""

from collections.abc import Iterator, Mapping
import json
import pathlib
import re
from types import SimpleNamespace
from typing import Any

from trainer.certificate import markup, pictures
from trainer.certificate.certificate import read_certificate

_BEGIN, _END = "<!-- fields -->", "<!-- end of fields -->"
_COLUMNS = "value ± standard error", "exact", "deviation"
# Deformations that a table shows where no exact values are known, of hundreds.
_FEW = 8


def sections(workdir: pathlib.Path, certificate: Mapping[str, Any]) -> str:
  """The sections of all fields in a run's directory that belong to the metric of a certificate."""
  made = []
  for pattern, describe in (
    ("spectrum.json", _spectrum),
    ("harmonic.json", _harmonic),
    ("deformations.json", _family),
    ("bundle_*.json", _bundles),
  ):
    for path in sorted(workdir.glob(pattern)):
      found = json.loads(path.read_text())
      # Files of before say nothing of their metric.
      if "digest" in found and certificate["run"].get("digest") in (None, found["digest"]):
        made += describe(found, certificate["manifold"])
  return "\n".join([_BEGIN, *made, _END])


def refresh(workdir: pathlib.Path) -> None:
  """Puts the sections of all fields into report.html, where there is one."""
  path = workdir / "report.html"
  if path.exists():
    new, page = sections(workdir, read_certificate(workdir)), path.read_text(encoding="utf-8")
    markup.save(path, re.sub(f"{_BEGIN}.*{_END}", lambda _: new, page, flags=re.DOTALL))


def _spectrum(found: dict[str, Any], manifold: Mapping[str, Any]) -> Iterator[str]:
  small = lambda x: f"{x:.2g}".replace("-", "−")
  rows = [
    markup.row(
      markup.subscript(f"λ{i}"),
      "",
      markup.number(level),
      str(level["multiplicity"]),
      small(level["spread"]),
      small(level["bias"]),
    )
    for i, level in enumerate(found["levels"])
  ]
  weights = f"degree {found['control_degree']}" if found["control_degree"] else "none"
  yield markup.section(
    "Spectrum of the scalar Laplacian",
    ("level", _COLUMNS[0], "multiplicity", "spread", "bias"),
    rows,
    f"Of the metric scaled to volume 1, among functions of degree {found['degree']}; "
    f"{found['points']:,} points, weights calibrated to {weights}, means over a group of order "
    f"{found['group']:,}. The spread is within a multiplet, the bias what noise shifts it by; "
    "truncation raises levels and is in neither.",
  )
  levels = [SimpleNamespace(**level) for level in found["levels"]]
  yield markup.figure(
    "Levels",
    "With the larger of error and bias; the dashes of a multiplet are as wide as it has members.",
    "Levels of the Laplacian against their number, with Weyl's law.",
    lambda theme: pictures.spectrum(levels, manifold["dimension"], theme),
  )


def _harmonic(found: dict[str, Any], manifold: Mapping[str, Any]) -> Iterator[str]:
  del manifold
  kaehler = found["kaehler"]
  rows = [
    markup.row(
      markup.subscript(f"E{i}{j}"),
      markup.subscript(f"∫ ⟨α{i}, α{j}⟩ dvol"),
      *markup.compared(entry),
      f"{entry['excess']:.2g}".replace("-", "−"),
    )
    for i, entries in enumerate(kaehler["products"], start=1)
    for j, entry in enumerate(entries[i - 1 :], start=i)
  ]
  residuals = ", ".join(f"{x:.3g}" for x in kaehler["residual"])
  yield markup.section(
    "Harmonic (1, 1) forms ∂g/∂t",
    ("inner product", *_COLUMNS, "excess"),
    rows,
    f"Functions of degree {found['degree']}; rms(tr α − c)/c = {residuals}. The excess is what is "
    "left of ∂∂̄u, known to be too much.",
  )
  if "deformations" in found:
    yield _deformations(found)


def _deformations(found):
  rows, residuals = [], []
  for name, of in found["deformations"].items():
    rows.append(markup.row(f"G({name})", "Weil–Petersson metric", *markup.compared(of["G"])))
    rows.append(markup.row(f"y({name})", "normalised Yukawa coupling", *markup.compared(of["y"])))
    before, after = of["residual"]["before"], of["residual"]["after"]
    residuals.append(f"{name}: {before:.3g} → {after:.3g}")
  return markup.section(
    "Harmonic forms of H¹(T)",
    ("along", *_COLUMNS),
    rows,
    f"Functions of degree {found['degree_f']}; what is not harmonic, rms(k − ⟨k⟩)/√G, before and "
    f"after: {'; '.join(residuals)}.",
  )


def _family(found: dict[str, Any], manifold: Mapping[str, Any]) -> Iterator[str]:
  del manifold
  entries = [
    (f"{name}({along})", entry)
    for along in found["names"]
    for name in ("G", "y")
    if (entry := found.get(name, {}).get(along))
  ]
  known = [(name, entry) for name, entry in entries if entry["exact"] is not None]
  rows = [
    markup.row(name, "", *markup.compared(entry)) for name, entry in known or entries[: 2 * _FEW]
  ]
  before, after = found["residual"]["before"], found["residual"]["after"]
  note = (
    f"{len(found['names'])} deformations; the least eigenvalue of their Weil–Petersson metric is "
    f"{found['least_eigenvalue']:.3g}. Functions of degree {found['degree_f']}, "
    f"{found['points']:,} points; what is not harmonic, rms(k − ⟨k⟩)/√(tr G), before and after: "
    f"{before:.3g} → {after:.3g}. The metric and the couplings are in deformations.npz."
  )
  if found.get("jacobian_ring") is not None:
    note += (
      " The Jacobian ring has all couplings up to one factor: with the one that fits best the "
      f"measured ones are off by {found['jacobian_ring']:.3g} of their errors, rms."
    )
  yield markup.section("H¹(T), all polynomial deformations", ("along", *_COLUMNS), rows, note)


def _bundles(found: dict[str, Any], manifold: Mapping[str, Any]) -> Iterator[str]:
  del manifold
  rows, notes = [], []
  for of in found.get("bundles", [found]):
    name = _name(of["bundle"])
    residual = of["residual"]
    rows += [
      markup.row(name, "slope", *markup.compared(of["slope"]), before=""),
      markup.row(
        "",
        f"rms of tr F − μ, μ = {of['constant']:.5g}".replace("-", "−"),
        *markup.compared(residual | {"exact": None}),
        before=f"{residual['fubini_study']:.4g}",
      ),
      markup.row("", "∫ |F|² dvol", *markup.compared(of["energy"]), before=""),
    ]
    notes.append(f"{name}: index {of['index']}, {_matter(of['matter'])}.")
  if "sum" in found:
    of = found["sum"]
    free = "free of anomalies" if of["anomaly_free"] else "not free of anomalies"
    notes.append(f"The sum: c₁ = {tuple(of['c1'])}, index {of['index']}, {free}.")
  if "yukawa" in found:
    masses = found["yukawa"]["masses"]
    for i, pair in enumerate(zip(masses["value"], masses["stderr"], strict=True)):
      cells = (markup.number({"value": v, "stderr": e}) for v, e in zip(*pair, strict=True))
      rows.append(markup.row(f"field {i + 1}", "masses, up to one factor", "<br>".join(cells)))
  names = " ⊕ ".join(_name(of["bundle"]) for of in found.get("bundles", [found]))
  note = " ".join(notes).replace("-", "−")
  yield markup.section(
    f"Hermitian Yang–Mills on {names}", ("", *_COLUMNS, "Fubini–Study"), rows, note
  )


def _name(bundle):
  return f"O({', '.join(map(str, bundle))})".replace("-", "−")


def _matter(of):
  if "missing" in of:
    return f"no matter fields: {of['missing']}"
  residual = of["residual"]
  return (
    f"{len(of['G'])} matter fields, rms(∂̄*ν)/rms(ν) {residual['representatives']:.3g} → "
    f"{residual['value']:.3g}"
  )
