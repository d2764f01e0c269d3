"""The page is whole, valid and self-contained; the pictures are real ones."""

import html.parser
import io
import re
import sys

import matplotlib.image
import numpy as np
import pytest

from trainer.certificate import certificate, pictures, report, verdict
from trainer.certificate.slice_picture import SlicePicture
from trainer.geometry.parse import parse_polynomial
from trainer.geometry.variety import Variety
from trainer.metric.measures import PointValues, measure_all
from trainer.metric.measures import exact as exact_measures

_VOID = {"meta", "img", "source", "br"}


class _Checker(html.parser.HTMLParser):
  """Collects attributes and text, and fails on tags that are not closed in order."""

  def __init__(self, text):
    super().__init__()
    self.open, self.attributes, self.text = [], [], ""
    self.feed(text)
    self.close()
    assert not self.open, self.open

  def handle_starttag(self, tag, attrs):
    self.attributes += [(tag, name, value) for name, value in attrs]
    if tag not in _VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    if "style" not in self.open:
      self.text += data


@pytest.fixture(scope="module")
def synthetic():
  """A certificate, its history and what its pictures show."""
  rng = np.random.default_rng(0)
  cubic = parse_polynomial("z0^3 + z1^3 + z2^3 - 0.5*z0*z1*z2", 3)
  weight, before = rng.uniform(0.5, 2, 300), np.exp(0.3 * rng.normal(size=300))
  after = 1 + 0.02 * (before - 1)
  trained, start = (
    measure_all(PointValues(eta, eta, weight, np.ones(300)), 3) for eta in (after, before)
  )
  run = certificate.describe_run(
    {"network": "<script>alert(1)</script>", "data": {"train_points": 1000}},
    network="net()",
    parameters=7,
    seed=0,
    dtype="float32",
    steps=20,
    seconds=125.0,
    points={"train": 1000, "heldout": 300},
    heldout_seed=0,
    digest="a",
  )
  variety = Variety((2,), (cubic,), (1.0,))
  content = certificate.make_certificate(
    trained, {"fubini_study": start}, variety, run, exact_measures(variety)
  )
  edges = [0.0, 0.5, 1.0, 2.0]
  content["histograms"] = {
    name: {"edges": edges, "weights": [0.5, 0.3, 0.2]}
    for name in ("ricci_scalar", "riemann_squared")
  }
  history = [{"step": 0, "seconds": 3.0, "sigma": 0.3, "sigma_stderr": 0.01}]
  history += [{"step": s, "seconds": 3.0 + s, "loss": 1 / s} for s in range(1, 20)]
  history += [{"step": 20, "seconds": 23.0, "loss": None, "sigma": 0.01, "sigma_stderr": 1e-3}]
  u = np.linspace(-1, 1, 8) + 1j * np.linspace(-1, 1, 8)[:, None]
  sheets = tuple(np.abs(u - k / 2) / 10 for k in range(3))
  sheets[1][2, 3] = np.nan
  slices = {name: SlicePicture(u, sheets, ("a", "b", "c")) for name in ("eta", "riemann_squared")}
  return content, history, before, after, weight, slices


@pytest.fixture(scope="module")
def workdir(synthetic, tmp_path_factory):
  """A directory with the whole report."""
  workdir = tmp_path_factory.mktemp("report")
  assert report.write_report(workdir, *synthetic) == workdir / "report.html"
  return workdir


def test_the_page_is_valid_and_needs_no_network(workdir):
  text = (workdir / "report.html").read_text(encoding="utf-8")
  page = _Checker(text)
  assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[^\"]+", "", text))
  links = [value for _, name, value in page.attributes if name in ("src", "srcset", "href")]
  assert len(links) == 12 and all(link.startswith("data:image/png;base64,") for link in links)
  alts = [value for tag, name, value in page.attributes if tag == "img" and name == "alt"]
  assert len(alts) == 6 and all(alts)
  assert "{{" not in text and "script" not in {tag for tag, _, _ in page.attributes}
  assert sorted(p.name for p in workdir.iterdir()) == ["pictures", "report.html"]


def test_the_page_shows_the_certificate(synthetic, workdir):
  page = _Checker((workdir / "report.html").read_text(encoding="utf-8"))
  content = synthetic[0]
  for name, entry in content["measures"].items():
    number = certificate.format_measure(entry["value"], entry["stderr"])
    assert number.replace("e-0", "·10-").replace("-", "−") in page.text, name
  assert "z03 − 0.5\u2009z0\u2009z1\u2009z2 + z13 + z23 = 0" in page.text
  ratio = content["fubini_study"]["sigma"]["value"] / content["measures"]["sigma"]["value"]
  assert 10 < ratio < 100 and f"{ratio:.3g} times flatter" in page.text and "2 min 5 s" in page.text
  assert content["run"]["command"] in page.text and f"load_run('{workdir}')" in page.text
  assert "<script>alert(1)</script>" in page.text  # As text, that is escaped in the source.


def test_pictures_are_saved_beside_the_page(workdir):
  for name in ("sigma", "eta", "loss", "slice_eta", "slice_riemann_squared", "curvature"):
    pixels = matplotlib.image.imread(workdir / "pictures" / f"{name}.png")
    assert pixels.shape[1] > 1000 and len(np.unique(pixels[..., 2])) > 20


def test_a_bare_run_has_a_report_too(synthetic, tmp_path, without_pictures):
  content, _, before, _, weight, _ = synthetic
  content = {name: section for name, section in content.items() if name != "histograms"}
  unknown = {name: {"value": None, "stderr": None, "exact": None} for name in content["measures"]}
  path = report.write_report(
    tmp_path, {**content, "measures": unknown}, [], before, np.ones_like(before), weight, {}
  )
  page = _Checker(path.read_text(encoding="utf-8"))
  assert "unknown" in page.text and "flatter" not in page.text
  assert [p.name for p in (tmp_path / "pictures").iterdir()] == ["eta.png"]


def test_the_verdict_is_at_the_top_and_an_old_certificate_says_it_has_none(
  synthetic, tmp_path, without_pictures
):
  content, _, before, after, weight, _ = synthetic
  lines = [verdict.sensible("positive definite", -0.25), *verdict.sampling(np.ones(600), 3)]
  judged = content | {
    "verdict": verdict.make_verdict(lines),
    "positivity": {"statement": "not positive definite everywhere"},
  }

  def text(content):
    path = report.write_report(tmp_path, content, [], before, after, weight, {})
    return _Checker(path.read_text(encoding="utf-8")).text

  page = text(judged)
  assert (
    page.index("FAIL") < page.index("positive definite: -0.25") < page.index("σ after training")
  )
  assert "not positive definite everywhere" in page and lines[0].advice in page
  assert "PASS" in text(judged | {"verdict": verdict.make_verdict(lines[1:])})
  assert "no verdict" in text(content)


def test_histogram_counts_by_weight(synthetic):
  *_, before, _, weight, _ = synthetic
  weight = np.where(before > 1, weight, 0.0)
  figure = pictures.eta_picture(before, before, weight, pictures.LIGHT)
  density, edges, _ = figure.axes[0].patches[0].get_data()
  assert np.sum(density * np.diff(edges)) == pytest.approx(1, abs=0.02)
  assert edges[0] >= 1


def test_no_pyplot_is_loaded(synthetic, monkeypatch):
  monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
  data = pictures.png(pictures.loss_picture(synthetic[1], pictures.DARK))
  assert matplotlib.image.imread(io.BytesIO(data))[0, 0, :3].max() < 0.2  # Dark paper.
