"""Inner products of harmonic (1, 1) forms at points, against intersection numbers."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainer.devices import parallel
from trainer.geometry import fubini_study, topology
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


def at_fubini_study(variety: Variety, background: Background) -> dict[str, Any]:
  """ "traces" (B, m) of the Fubini-Study forms g^(i), of the same classes."""
  found = background.at_points(_fubini_study(variety))
  return {"traces": np.asarray(parallel.gather_rows(found))[: background.num_points]}


def inner_products(
  variety: Variety, values: dict[str, Any], points_per_slice: int
) -> dict[str, Any]:
  """The matrix E_ij, JSON-like, with residuals.

  Returns:
    "products" and "traces", entries {"value", "stderr", "exact"}; "residual", rms(tr alpha_i - c_i)
    / c_i; "least_eigenvalue" of E. The products are those of the forms at hand, too large by
    "excess" = integral (tr alpha_i - c_i)(tr alpha_j - c_j), what is left of d dbar u, which is
    orthogonal to harmonic forms; "harmonic" is without it.
  """
  of_class = kaehler.exact(variety)
  total = topology.volume(variety.ambient, variety.degrees, variety.moduli)
  mean = lambda f: weighted_mean(values["volume"], f, points_per_slice)
  off, m = values["traces"] - of_class.traces, range(len(variety.ambient))

  def entry(i, j):
    product, excess = values["products"][:, i, j], off[:, i] * off[:, j]
    direct, harmonic = mean(product), mean(product - excess)
    return {
      "value": total * direct.value,
      "stderr": total * direct.stderr,
      "exact": float(of_class.products[i, j]),
      "excess": total * mean(excess).value,
      "harmonic": {"value": total * harmonic.value, "stderr": total * harmonic.stderr},
    }

  products = [[entry(i, j) for j in m] for i in m]
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


@functools.lru_cache(maxsize=16)
def _fubini_study(variety):
  def traces(_, rows):
    z = jax.lax.complex(*jnp.split(rows.x, 2, axis=1))
    factors = jax.vmap(fubini_study.factor_metrics, (None, 0, 0))(variety.ambient, z, rows.pullback)
    return kaehler.traces(factors, rows.metric)

  return traces
