"""The pictures of a report, drawn with matplotlib in a light and a dark theme.

matplotlib is imported where it is used, and without pyplot: no window, no global state.
"""

from __future__ import annotations

from collections.abc import Sequence
import io
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trainer.certificate.slice_picture import SlicePicture

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

_WIDTH = 7.2  # inches
_DPI = 160
# Part of the points cut off at each end of a histogram.
_CUT = 5e-4


class Theme(NamedTuple):
  """Colours, as "#rrggbb"."""

  paper: str
  ink: str
  faint: str
  before: str
  after: str


LIGHT = Theme("#ffffff", "#22262e", "#d9dde4", "#b0752a", "#2257c5")
DARK = Theme("#171b22", "#d6dae2", "#343b47", "#e0a458", "#7fa7ff")


def png(figure: Figure) -> bytes:
  """The figure as a PNG file."""
  stream = io.BytesIO()
  figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
  return stream.getvalue()


def sigma_picture(history: list[dict[str, Any]], before: float | None, theme: Theme) -> Figure:
  """Sigma on validation points, with its standard error, against seconds.

  The rows of the history are those of metrics.jsonl.
  """
  figure, (axes,) = _figure(1, 3.4, theme)
  rows = [row for row in history if row.get("sigma") and row["seconds"] > 0]
  seconds, sigma = (np.array([row[key] for row in rows]) for key in ("seconds", "sigma"))
  stderr = np.array([row.get("sigma_stderr") or 0.0 for row in rows])
  if before:
    axes.axhline(before, color=theme.before, linewidth=1.4, linestyle=(0, (5, 3)))
    axes.annotate(
      "Fubini–Study",
      (1, before),
      xycoords=("axes fraction", "data"),
      ha="right",
      xytext=(-4, 4),
      textcoords="offset points",
      color=theme.before,
    )
  axes.errorbar(
    seconds,
    sigma,
    stderr,
    color=theme.after,
    marker="o",
    markersize=3.5,
    linewidth=1.4,
    elinewidth=1,
    capsize=2,
  )
  axes.set(xscale="log", yscale="log", xlabel="seconds", ylabel="σ, validation points")
  _plain_decades(axes)
  if before and len(rows):
    axes.set_ylim(top=1.6 * max(before, sigma.max()))
  return figure


def time_to_sigma(curves: list[tuple[str, list[tuple[float, float]]]], theme: Theme) -> Figure:
  """Sigma against seconds of several runs, (label, pairs (seconds, sigma)) each."""
  figure, (axes,) = _figure(1, 4.2, theme)
  for label, pairs in curves:
    axes.plot(*zip(*pairs), marker="o", markersize=3, linewidth=1.3, label=label)
  axes.set(xscale="log", yscale="log", xlabel="seconds", ylabel="σ, validation points")
  _plain_decades(axes)
  axes.legend(frameon=False, labelcolor=theme.ink, fontsize=7)
  return figure


def comparison(
  curves: list[tuple[str, list[tuple[float, float]], tuple[float, float, float]]], theme: Theme
) -> Figure:
  """Sigma against seconds of several runs, and of their certificates.

  A curve is a label, pairs (seconds, sigma), and the certificate's (seconds, sigma, stderr).
  """
  figure, (axes,) = _figure(1, 4.2, theme)
  for label, pairs, (seconds, sigma, stderr) in curves:
    (line,) = axes.plot(*zip(*pairs), linewidth=1.3) if pairs else axes.plot([], [])
    bar = dict(fmt="o", color=line.get_color(), markersize=5, capsize=3)
    axes.errorbar([seconds], [sigma], [stderr], label=label, **bar)
  axes.set(
    xscale="log", yscale="log", xlabel="seconds", ylabel="σ: validation, certificate (points)"
  )
  _plain_decades(axes)
  axes.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
  return figure


def loss_picture(history: list[dict[str, Any]], theme: Theme) -> Figure:
  """Training loss against steps; rows as in metrics.jsonl."""
  figure, (axes,) = _figure(1, 2.8, theme)
  rows = [row for row in history if row.get("loss")]
  axes.plot(
    [row["step"] for row in rows],
    [row["loss"] for row in rows],
    color=theme.after,
    linewidth=1.2,
    marker="o" if len(rows) < 20 else None,
    markersize=3.5,
  )
  axes.set(yscale="log", xlabel="step", ylabel="training loss", xlim=(0, None))
  return figure


def eta_picture(before: np.ndarray, after: np.ndarray, weight: np.ndarray, theme: Theme) -> Figure:
  """Weighted densities of eta (B,) before and after training, and of the latter enlarged."""
  figure, (both, enlarged) = _figure(2, 3.2, theme, width_ratios=(3, 2))
  kept = weight > 0
  before, after, weight = before[kept], after[kept], weight[kept]
  ends = np.array([np.quantile(eta, (_CUT, 1 - _CUT)) for eta in (before, after)])
  shown = ends[:, 0].min(), ends[:, 1].max()
  _histogram(both, before, weight, shown, theme.before, "Fubini–Study")
  _histogram(both, after, weight, shown, theme.after, "trained")
  _histogram(enlarged, after - 1, weight, tuple(ends[1] - 1), theme.after, "trained, enlarged")
  enlarged.ticklabel_format(axis="x", style="sci", scilimits=(-2, 2), useMathText=True)
  for axes, flat, label, ticks in ((both, 1, "η", 5), (enlarged, 0, "η − 1", 4)):
    axes.locator_params(axis="x", nbins=ticks)
    axes.axvline(flat, color=theme.ink, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set(yscale="log", xlabel=label)
    top = axes.get_ylim()[1]
    axes.set_ylim(top=top * 4)
    axes.legend(loc="upper right", frameon=False, labelcolor=theme.ink, fontsize=8)
  both.set_ylabel("density")
  return figure


def curvature_picture(histograms: dict[str, dict[str, list[float]]], theme: Theme) -> Figure:
  """Densities of scalar curvature and of |Riem|^2, of a certificate's histograms."""
  figure, panels = _figure(2, 3.0, theme)
  labels = {"ricci_scalar": "scalar curvature R", "riemann_squared": "|Riem|²"}
  for axes, (name, label) in zip(panels, labels.items()):
    edges, weights = (np.array(histograms[name][key]) for key in ("edges", "weights"))
    density = weights / np.diff(edges)
    axes.stairs(density, edges, fill=True, color=theme.after, alpha=0.25, linewidth=0)
    axes.stairs(density, edges, color=theme.after, linewidth=1.3)
    axes.locator_params(axis="x", nbins=5)
    axes.set(yscale="log", xlabel=label)
  panels[0].axvline(0, color=theme.ink, linewidth=0.8, linestyle=(0, (1, 2)))
  panels[0].set_ylabel("density, by volume")
  return figure


def slice_picture(picture: SlicePicture, quantity: str, theme: Theme) -> Figure:
  """All sheets of a slice, one logarithmic colour scale of a quantity."""
  from matplotlib.colors import LogNorm

  rows, columns = math.ceil(len(picture.sheets) / 3), min(len(picture.sheets), 3)
  height = ((_WIDTH - 0.9) / columns + 0.25) * rows  # Square panels, beside the colour bar.
  figure, panels = _figure(columns, height, theme, rows)
  values = np.concatenate([sheet.ravel() for sheet in picture.sheets])
  values = values[np.isfinite(values) & (values > 0)]
  low, high = np.quantile(values, (0.02, 0.999)) if len(values) else (1e-3, 1.0)
  norm = LogNorm(low, max(high, 1.01 * low), clip=True)
  edge = np.abs(picture.u.real).max()
  for axes in panels[len(picture.sheets) :]:
    axes.set_visible(False)
  for axes, sheet, label in zip(panels, picture.sheets, picture.labels):
    image = axes.imshow(
      sheet,
      norm=norm,
      cmap="magma",
      origin="lower",
      extent=(-edge, edge, -edge, edge),
      interpolation="bilinear",
    )
    axes.set_title(label, fontsize=8, color=theme.ink)
    axes.set(xticks=(), yticks=())
    axes.grid(False)
    for spine in axes.spines.values():
      spine.set_visible(False)
  bar = figure.colorbar(image, ax=panels, shrink=0.7, aspect=30, label=quantity)
  _colour(bar.ax, theme)
  bar.outline.set_visible(False)
  return figure


def spectrum(levels: Sequence[Any], n: int, theme: Theme) -> Figure:
  """Levels (trainer.spectrum.levels.Level) of volume 1 with their errors, and Weyl's law.

  N(lambda) = lambda^n / ((4 pi)^n n!) eigenvalues are below lambda, for large ones, n the complex
  dimension.
  """
  figure, (axes,) = _figure(1, 4.2, theme)
  counts = np.array([level.multiplicity for level in levels])
  values, errors, bias = (
    np.array([getattr(level, name) for level in levels]) for name in ("value", "stderr", "bias")
  )
  ends = np.cumsum(counts)
  number = np.linspace(0, ends[-1], 200)
  weyl = 4 * math.pi * (math.factorial(n) * number) ** (1 / n)
  axes.plot(number, weyl, color=theme.before, linewidth=1.2, label="Weyl’s law")
  axes.hlines(values, ends - counts, ends, color=theme.after, linewidth=2.4, label="levels")
  errors = np.maximum(errors, np.abs(bias))
  axes.errorbar(
    ends - counts / 2, values, errors, fmt="none", color=theme.ink, elinewidth=1, capsize=2
  )
  axes.set(xlabel="eigenvalues", ylabel="λ Vol^{1/n}", xlim=(0, None), ylim=(0, None))
  axes.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
  return figure


def _figure(
  columns: int, height: float, theme: Theme, rows: int = 1, **gridspec
) -> tuple[Figure, list[Axes]]:
  from matplotlib.figure import Figure

  figure = Figure(figsize=(_WIDTH, height), layout="constrained", facecolor=theme.paper)
  axes = figure.subplots(rows, columns, squeeze=False, gridspec_kw=gridspec).ravel()
  for one in axes:
    one.set_facecolor(theme.paper)
    one.set_axisbelow(True)
    one.grid(True, color=theme.faint, linewidth=0.6)
    for side, spine in one.spines.items():
      spine.set_visible(side in ("left", "bottom"))
    _colour(one, theme)
  return figure, list(axes)


def _colour(axes: Axes, theme: Theme) -> None:
  axes.tick_params(which="both", colors=theme.ink, labelsize=8)
  for spine in axes.spines.values():
    spine.set_color(theme.ink)
    spine.set_linewidth(0.8)
  for label in (axes.xaxis.label, axes.yaxis.label):
    label.set_color(theme.ink)
    label.set_fontsize(9)


def _histogram(
  axes: Axes,
  eta: np.ndarray,
  weight: np.ndarray,
  ends: tuple[float, float],
  colour: str,
  label: str,
) -> None:
  low, high = ends
  if not low < high:
    low, high = low - 1e-3, high + 1e-3
  density, edges = np.histogram(eta, np.linspace(low, high, 81), weights=weight)
  density = density / (weight.sum() * np.diff(edges))
  axes.stairs(density, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
  axes.stairs(density, edges, color=colour, linewidth=1.3, label=label)


def _plain_decades(axes: Axes) -> None:
  """Numbers such as 0.02 and 300 on logarithmic axes, enough of them on a short one too."""
  from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

  for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
    short = math.log10(high / low) < 2.5
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if short else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
