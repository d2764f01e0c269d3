"""The report of a trained metric: one HTML page that needs nothing but itself."""

from collections.abc import Callable, Mapping
import html
import pathlib
import re
from typing import Any

import numpy as np

from trainer.certificate import markup, pictures, report_fields
from trainer.certificate.report_page import PAGE
from trainer.certificate.slice_picture import SlicePicture
from trainer.geometry.variety import configuration_text

# name -> (symbol, what it means)
_MEANINGS = {
  "sigma": ("σ", "mean of |1 − η|, 0 if and only if Ricci-flat"),
  "E": ("E", "mean of (η − 1)²"),
  "max_abs_eta_minus_1": ("max |η − 1|", "largest over these points"),
  "abs_eta_minus_1_q50": ("median |η − 1|", "exceeded on half of the manifold"),
  "abs_eta_minus_1_q90": ("90 % quantile", "of |η − 1|, exceeded on a tenth"),
  "abs_eta_minus_1_q99": ("99 % quantile", "of |η − 1|, exceeded on a hundredth"),
  "min_relative_eigenvalue": ("least eigenvalue", "of g relative to Fubini–Study at these points"),
  "min_eigenvalue": ("least eigenvalue", "of g at these points, in local coordinates"),
  "volume": ("Vol", "∫ det g d²ⁿx, fixed by topology"),
  "omega_integral": ("∫ |Ω|²", "volume in the holomorphic volume form"),
  "kappa": ("κ", "Vol / ∫ |Ω|²"),
  "euler": ("χ", "∫ cₙ, fixed by topology"),
  "c1": ("∫ c₁ ∧ ωⁿ⁻¹/(n−1)!", "0 by topology"),
  "ricci_measure": ("‖R‖", "Vol^(1/n − 1) ∫ |R| dvol"),
  "mean_abs_ricci": ("mean |Ric|", "in units of Vol^(−1/n)"),
  "min_c2_density": ("least c₂ ∧ ωⁿ⁻²/(n−2)!", "against dvol; nowhere negative if Ricci-flat"),
  "negative_c2_share": ("c₂ negative", "share of the volume; none if Ricci-flat"),
  "kaehler_error": ("max |dω|", "in units of Vol^(−1/2n)"),
  "cocycle_error": ("max |g − g′|", "of g, between two patches"),
  "symmetry_error": ("max |g − s*g|", "of g, over the symmetries s of the config"),
  "effective_sample_size": ("effective points", "(Σ w)² / Σ w², as if they were independent"),
}
# Field on a slice -> (what it is, the same in plain letters, caption)
_SLICES = {
  "eta": (
    "|η − 1|",
    "|eta - 1|",
    "The slice is a complex curve, the points z = a + u b + v c of the manifold, with u in a "
    "square of the complex plane around 0. Each u has several v, one on each sheet; sheets change "
    "places across vertical cuts that end in branch points. Dark is flat.",
  ),
  "riemann_squared": (
    "|Riem|²",
    "the squared Riemann tensor",
    "The same curve, more coarsely: light is where the manifold bends most.",
  ),
}
_LONGEST_POLYNOMIAL = 400
_LOAD = """from trainer import load_run
run = load_run({workdir!r})
g = run.metric(run.points(1000).z)"""


def write_report(
  workdir: pathlib.Path,
  certificate: Mapping[str, Any],
  history: list[dict[str, Any]],
  eta_before: np.ndarray,
  eta_after: np.ndarray,
  weights: np.ndarray,
  slices: Mapping[str, SlicePicture],
) -> pathlib.Path:
  """Writes report.html and the folder pictures/ into `workdir`.

  Args:
    workdir: an existing directory.
    certificate: see trainer.certificate.certificate.
    history: the rows of metrics.jsonl.
    eta_before: (B,) eta of the Fubini-Study metric at held-out points.
    eta_after: (B,) eta of the trained metric at the same points.
    weights: (B,) their weights.
    slices: name of a field -> a slice of the manifold coloured by it: eta and others of _SLICES.

  Returns:
    The path of report.html.
  """
  before = certificate["fubini_study"]["sigma"]["value"]
  folder = workdir / "pictures"
  folder.mkdir(exist_ok=True)
  figures = []

  def add(name: str, title: str, caption: str, alt: str, draw: Callable):
    figures.append(markup.figure(title, caption, alt, draw, folder / f"{name}.png"))

  if any(row.get("sigma") for row in history):
    add(
      "sigma",
      "σ against time",
      "σ on validation points, which neither training nor the "
      "certificate uses, with its standard error, from the start of the run, sampling and "
      "compilation included. The dashed line is the Fubini–Study "
      "metric.",
      "Line plot of sigma against seconds, both axes logarithmic.",
      lambda theme: pictures.sigma_picture(history, before, theme),
    )
  add(
    "eta",
    "Distribution of η",
    "Weighted density of η = det g / (κ |Ω|²) before and after "
    "training; η = 1 everywhere on a Ricci-flat metric. The outermost 0.05 % at each end are cut "
    "off.",
    "Histograms of eta before and after training, with logarithmic density.",
    lambda theme: pictures.eta_picture(eta_before, eta_after, weights, theme),
  )
  if "histograms" in certificate:
    add(
      "curvature",
      "Curvature",
      "Volume-weighted densities of the scalar curvature, 0 everywhere on a Ricci-flat metric, and "
      "of |Riem|², which has no reason to vanish, at the held-out points.",
      "Histograms of scalar curvature and of the squared Riemann tensor.",
      lambda theme: pictures.curvature_picture(certificate["histograms"], theme),
    )
  for name, (quantity, plainly, caption) in _SLICES.items():
    if name in slices:
      add(
        f"slice_{name}",
        f"{quantity} on a slice of the manifold",
        caption,
        f"Maps of {plainly} over the complex plane, one for each sheet of a curve.",
        lambda theme: pictures.slice_picture(slices[name], quantity, theme),
      )
  if any(row.get("loss") for row in history):
    add(
      "loss",
      "Training loss",
      "Mean over the steps between two rows of metrics.jsonl.",
      "Line plot of the training loss against steps, loss axis logarithmic.",
      lambda theme: pictures.loss_picture(history, theme),
    )

  path = workdir / "report.html"
  markup.save(path, _page(workdir, certificate, figures))
  return path


def _page(workdir: pathlib.Path, certificate: Mapping[str, Any], figures: list[str]) -> str:
  manifold, run = certificate["manifold"], certificate["run"]
  before, after = certificate["fubini_study"]["sigma"], certificate["measures"]["sigma"]
  flatter = ""
  if before["value"] and after["value"]:
    ratio = before["value"] / after["value"]
    flatter = f"{ratio:{',.0f' if ratio >= 100 else '.3g'}} times flatter than it started"
  fields = {
    "configuration": configuration_text(
      manifold["ambient"], manifold["degrees"], "ℙ<sup>{}</sup>", "×"
    ),
    "polynomials": "".join(_polynomial(text) for text in manifold["polynomials"]),
    "sigma": markup.number(after),
    "sigma_before": markup.number(before),
    "flatter": flatter,
    "verdict": _verdict(certificate),
    "facts": _facts(manifold, run),
    "measures": "\n".join(
      _row(name, entry, certificate["fubini_study"].get(name))
      for name, entry in certificate["measures"].items()
    ),
    "fields": report_fields.sections(workdir, certificate),
    "figures": "\n".join(figures),
    "command": html.escape(run.get("command") or "unknown"),
    "load": html.escape(_LOAD.format(workdir=str(workdir))),
    "run": _nested(run),
    "topology": _nested(
      {
        **{key: manifold[key] for key in ("ambient", "degrees", "moduli", "c2")},
        "intersection": _nonzero(manifold["intersection"]),
      }
    ),
  }
  return re.sub(r"\{\{(\w+)\}\}", lambda match: fields[match[1]], PAGE)


def _polynomial(text: str) -> str:
  """One defining equation, coordinates with subscripts and powers with superscripts."""
  if len(text) > _LONGEST_POLYNOMIAL:
    text = text[:_LONGEST_POLYNOMIAL].rsplit(" ", 1)[0] + " …"
  text = html.escape(text).replace("*", "\u2009").replace(" - ", " − ")
  text = re.sub(r"z(\d+)", r"z<sub>\1</sub>", text)
  text = re.sub(r"\^(\d+)", r"<sup>\1</sup>", text)
  return f"<p class=polynomial>{text} = 0</p>"


def _facts(manifold: Mapping[str, Any], run: Mapping[str, Any]) -> str:
  devices = run["devices"]
  facts = {
    "complex dimension": str(manifold["dimension"]),
    "Euler number": str(manifold["euler"]).replace("-", "−"),
    "volume": f"{manifold['volume']:.6g}",
    "held-out points": f"{run['points']['heldout']:,}",
    "time": _duration(run["seconds"]),
    "trained on": f"{devices['count']} × {devices['kind']}",
  }
  return "\n".join(
    f"<div><dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd></div>" for k, v in facts.items()
  )


def _verdict(certificate: Mapping[str, Any]) -> str:
  """PASS or FAIL, then line by line; a certificate of old has no verdict, and says so."""
  verdict = certificate.get("verdict")
  if verdict is None:
    return "<p class=verdict><strong>no verdict</strong> <span>an old certificate</span></p>"
  word = "PASS" if verdict["passed"] else "FAIL"
  statement = html.escape(certificate.get("positivity", {}).get("statement", ""))
  lines = "".join(
    f"<li class={'pass' if line['passed'] else 'fail'}>{html.escape(line['name'])}: "
    f"{line['value']:.4g} <small>(threshold {line['threshold']:.4g})</small>"
    + (f"<br>{html.escape(line['advice'])}" if "advice" in line else "")
    + "</li>"
    for line in verdict["lines"]
  )
  return (
    f"<p class=verdict><strong class={word.lower()}>{word}</strong> <span>{statement}</span></p>"
    f"<ul class=verdict>{lines}</ul>"
  )


def _row(name: str, entry: Mapping[str, Any], started: Mapping[str, Any] | None) -> str:
  symbol, meaning = _MEANINGS.get(name) or _class_meaning(name)
  before = markup.number(started) if started else ""
  return markup.row(symbol, meaning, *markup.compared(entry), before=before)


def _class_meaning(name: str) -> tuple[str, str]:
  """c2_J_1_J_2 -> ("c₂·J₁J₂", ..)."""
  if not name.startswith("c2_J_"):
    return name, ""
  factors = markup.subscript(name.removeprefix("c2").replace("_", ""))
  return f"c₂·{factors}", "fixed by topology"


def _nested(content: Mapping[str, Any]) -> str:
  """Nested dictionaries as a nested definition list."""
  items = []
  for key, value in content.items():
    shown = _nested(value) if isinstance(value, Mapping) else html.escape(_plain(value))
    items.append(f"<div><dt>{html.escape(str(key))}</dt><dd>{shown}</dd></div>")
  return f"<dl class=nested>{''.join(items)}</dl>"


def _nonzero(numbers: Mapping[str, int]) -> str:
  return ", ".join(f"{index}: {value}" for index, value in numbers.items() if value) or "all 0"


def _plain(value: Any) -> str:
  if isinstance(value, float):
    return f"{value:g}"
  if isinstance(value, list | tuple):
    return f"[{', '.join(map(_plain, value))}]"
  return "unknown" if value is None else str(value)


def _duration(seconds: float) -> str:
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours} h {minutes} min"
  return f"{minutes} min {rest} s" if minutes else f"{rest} s"
