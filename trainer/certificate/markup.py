"""Pieces of the report's HTML: numbers with errors, rows and tables, pictures in two themes."""

import base64
from collections.abc import Callable, Mapping, Sequence
import html
import os
import pathlib
import re
from typing import Any

from trainer.certificate import certificate as certificates
from trainer.certificate import pictures
from trainer.sampling.statistics import format_measure

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def subscript(text: str) -> str:
  """Text with its digits below the line."""
  return text.translate(_SUBSCRIPTS)


def number(entry: Mapping[str, Any]) -> str:
  """The value and standard error of an entry."""
  text = html.escape(format_measure(entry["value"], entry["stderr"]))
  text = re.sub(r"e([+-])0*(\d+)", lambda e: f"·10<sup>{e[1].strip('+')}{e[2]}</sup>", text)
  return text.replace("-", "−")


def compared(entry: Mapping[str, Any]) -> tuple[str, str, str]:
  """The cells of an entry: its number, the exact value, and the deviation from it."""
  exact = "" if entry["exact"] is None else f"{entry['exact']:.8g}".replace("-", "−")
  off = certificates.deviation(entry)
  return number(entry), exact, "" if off is None else f"{off:+.1f} s.e.".replace("-", "−")


def row(symbol: str, meaning: str, *cells: str, before: str | None = None) -> str:
  """A row of a table; `before` is a last cell, of what was there at first."""
  last = "" if before is None else f"<td class=before>{before}</td>"
  return (
    f"<tr><th scope=row>{html.escape(symbol)}<small>{html.escape(meaning)}</small></th>"
    + "".join(f"<td>{cell}</td>" for cell in cells)
    + f"{last}</tr>"
  )


def section(title: str, columns: Sequence[str], rows: Sequence[str], note: str = "") -> str:
  """A section with a table, and a line of text under it."""
  heads = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
  return (
    f"<section>\n<h2>{html.escape(title)}</h2>\n<div class=scroll>\n<table>\n"
    f"<thead><tr>{heads}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>\n</div>"
    f"\n<p class=note>{html.escape(note)}</p>\n</section>"
  )


def figure(
  title: str, caption: str, alt: str, draw: Callable, keep: pathlib.Path | None = None
) -> str:
  """A picture in both themes.

  Args:
    title: above it.
    caption: below it.
    alt: instead of it.
    draw: trainer.certificate.pictures.Theme -> a figure of matplotlib.
    keep: a file for the light one.
  """
  light, dark = (pictures.png(draw(theme)) for theme in (pictures.LIGHT, pictures.DARK))
  if keep:
    keep.write_bytes(light)
  source = lambda data: "data:image/png;base64," + base64.b64encode(data).decode()
  return (
    f"<figure><h2>{title}</h2><picture>"
    f'<source media="(prefers-color-scheme: dark) and screen" srcset="{source(dark)}">'
    f'<img src="{source(light)}" alt="{html.escape(alt)}"></picture>'
    f"<figcaption>{caption}</figcaption></figure>"
  )


def save(path: pathlib.Path, page: str) -> None:
  """Writes a page so that `path` holds either its old content or the whole new one."""
  temporary = path.with_name(path.name + ".tmp")
  temporary.write_text(page, encoding="utf-8")
  os.replace(temporary, path)
