"""Inner products of harmonic (1, 1) forms at points, against intersection numbers."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from trainer.devices import parallel
from trainer.geometry import topology
from trainer.geometry.variety import Variety
from trainer.harmonic import kaehler
from trainer.harmonic.solve import KaehlerForms
from trainer.quadrature.background import Background
from trainer.sampling.statistics import weighted_mean


def at_points(variety: Variety, forms: KaehlerForms, background: Background) -> dict[str, Any]:
  """What there is of the forms at points, numpy arrays on every process.

  Returns:
    "x", "pullback", "metric", "volume" of the points; "forms" (B, m, n, n), see kaehler.forms;
    "traces" (B, m) and "products" (B, m, m).
  """
  values = background.at_points(_values(variety, forms.degree), forms.h)
  rows = background.rows
  values |= dict(x=rows.x, pullback=rows.pullback, metric=rows.metric, volume=rows.volume)
  count = background.num_points
  return {name: np.asarray(parallel.gather_rows(a))[:count] for name, a in values.items()}


def inner_products(
  variety: Variety, values: dict[str, Any], points_per_slice: int
) -> dict[str, Any]:
  """The matrix E_ij, JSON-like, with residuals.

  Returns:
    "products" and "traces", entries {"value", "stderr", "exact"}, of products with "excess", what
    the error of the forms adds to E_ij: integral (tr alpha_i - c_i)(tr alpha_j - c_j); "residual",
    rms(tr alpha_i - c_i) / c_i; "least_eigenvalue" of E.
  """
  of_class = kaehler.exact(variety)
  total = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  mean = lambda f: weighted_mean(values["volume"], f, points_per_slice)
  off, m = values["traces"] - of_class.traces, range(len(variety.ambient))
  measured = [[mean(values["products"][:, i, j]) for j in m] for i in m]
  products = [
    [
      {
        "value": total * measured[i][j].value,
        "stderr": total * measured[i][j].stderr,
        "exact": float(of_class.products[i, j]),
        "excess": total * mean(off[:, i] * off[:, j]).value,
      }
      for j in m
    ]
    for i in m
  ]
  matrix = np.array([[entry["value"] for entry in row] for row in products])
  return {
    "products": products,
    "traces": [
      {**mean(values["traces"][:, i])._asdict(), "exact": float(of_class.traces[i])} for i in m
    ],
    "residual": [mean(off[:, i] ** 2).value ** 0.5 / float(of_class.traces[i]) for i in m],
    "least_eigenvalue": float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[0]),
  }


@functools.lru_cache(maxsize=16)
def _values(variety, degree):
  of_class = kaehler.exact(variety)
  functions = KaehlerForms(degree, np.zeros(0)).functions(variety)

  def values(h, rows):
    alpha = kaehler.forms(of_class, functions, h, rows, variety.ambient)
    return {
      "forms": alpha,
      "traces": kaehler.traces(alpha, rows.metric),
      "products": kaehler.inner_products(alpha, rows.metric),
    }

  return values
