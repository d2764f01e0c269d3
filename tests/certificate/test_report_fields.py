"""The sections of fields: what their files say, of the metric of the certificate and no other."""

import json

import pytest

from trainer.certificate import report_fields

_ENTRY = {"value": -3.7711, "stderr": 0.0032, "exact": -3.75}
_SPECTRUM = {
  "degree": 3,
  "control_degree": 6,
  "points": 50_000,
  "group": 150_000,
  "levels": [
    {"value": 0.0, "stderr": 0.0, "bias": 0.0, "multiplicity": 1, "spread": 0.0},
    {"value": 41.1224, "stderr": 0.0008, "bias": -0.0002, "multiplicity": 20, "spread": 5e-6},
  ],
}
_HARMONIC = {
  "degree": 2,
  "kaehler": {
    "products": [[_ENTRY | {"excess": -0.0204}] * 2] * 2,
    "residual": [0.21, 0.34],
  },
  "deformations": {
    "<psi>": {
      "G": {"value": 0.19245, "stderr": 0.00041, "exact": None},
      "y": {"value": 1.5565, "stderr": 0.0024, "exact": None},
      "residual": {"before": 0.138, "after": 0.0058},
    }
  },
  "degree_f": 8,
}


def _line(bundle, matter):
  return {
    "bundle": bundle,
    "slope": {"value": 0.0023, "stderr": 0.003, "exact": 0.0},
    "constant": 0.0,
    "residual": {"value": 0.518, "stderr": 0.004, "fubini_study": 1.786},
    "energy": _ENTRY,
    "index": -4,
    "matter": matter,
  }


_MATTER = {"G": [[0] * 3] * 3, "residual": {"representatives": 0.846, "value": 0.517}}
_BUNDLES = {
  "bundles": [_line([1, -1], {"missing": "H^1 vanishes"}), _line([-1, 1], _MATTER)],
  "sum": {"c1": [0, 0], "index": -8, "anomaly_free": True},
  "yukawa": {"masses": {"value": [[0.111, 0.106]], "stderr": [[0.002, 0.002]]}},
}


@pytest.fixture
def workdir(tmp_path, without_pictures):
  certificate = {"manifold": {"dimension": 3}, "run": {"digest": "a"}}
  (tmp_path / "certificate.json").write_text(json.dumps(certificate))
  page = f"<main>{report_fields.sections(tmp_path, certificate)}</main>"
  (tmp_path / "report.html").write_text(page)
  return tmp_path


def _refreshed(workdir, digest="a", **files):
  for name, content in files.items():
    (workdir / f"{name}.json").write_text(json.dumps(content | {"digest": digest}))
  report_fields.refresh(workdir)
  return (workdir / "report.html").read_text()


def test_every_field_has_its_numbers(workdir):
  page = _refreshed(workdir, spectrum=_SPECTRUM, harmonic=_HARMONIC, bundle_1=_BUNDLES)
  for text in (
    "<td>41.12240 ± 0.00080</td><td>20</td><td>5e−06</td><td>−0.0002</td>",
    "<th scope=row>E₁₂<small>∫ ⟨α₁, α₂⟩ dvol</small></th>"
    "<td>−3.7711 ± 0.0032</td><td>−3.75</td><td>−6.6 s.e.</td><td>−0.02</td>",
    "= 0.21, 0.34",
    "G(&lt;psi&gt;)<small>Weil–Petersson metric</small></th><td>0.19245 ± 0.00041</td><td></td>",
    "0.138 → 0.0058",
    "O(1, −1) ⊕ O(−1, 1)",
    "<td>0.0023 ± 0.0030</td><td>0</td><td>+0.8 s.e.</td>",
    "<td>0.5180 ± 0.0040</td><td></td><td></td><td class=before>1.786</td>",
    "O(1, −1): index −4, no matter fields: H^1 vanishes",
    "3 matter fields, rms(∂̄*ν)/rms(ν) 0.846 → 0.517",
    "c₁ = (0, 0), index −8, free of anomalies",
    "<td>0.1110 ± 0.0020<br>0.1060 ± 0.0020</td>",
  ):
    assert text in page, text
  assert page.count("E₂₁") == 0 and page.count("<figure>") == 1
  assert page.startswith("<main>") and page.endswith("</main>")
  assert _refreshed(workdir) == page


def test_fields_of_another_metric_are_not_shown(workdir):
  empty = (workdir / "report.html").read_text()
  assert _refreshed(workdir, "b", harmonic=_HARMONIC) == empty
  (workdir / "harmonic.json").write_text(json.dumps(_HARMONIC))
  assert _refreshed(workdir) == empty
  assert "E₁₁" in _refreshed(workdir, "a", harmonic=_HARMONIC)
