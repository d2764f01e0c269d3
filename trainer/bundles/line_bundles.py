"""Hermitian Yang-Mills metrics on line bundles O(k_1, .., k_m), from harmonic (1, 1) forms.

h = prod_i |z^(i)|^{-2 k_i} e^{-f} has the curvature F_{a bbar} = pi sum_i k_i g^(i)_{a bbar} +
d_a dbar_b f. Its trace is constant, g^{a bbar} F_{a bbar} = mu, if F = pi sum_i k_i alpha_i, the
harmonic alpha_i of trainer.harmonic.kaehler: they serve all line bundles. Of any h

  <g^{a bbar} F_{a bbar}> = mu = pi sum_i k_i c_i,
  integral |F|^2 dvol = pi^2 sum_ij k_i k_j E_ij + integral (g^{a bbar} F_{a bbar} - mu)^2 dvol.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any

import numpy as np

from trainer.bundles import topology as bundles
from trainer.errors import UserError
from trainer.geometry import topology
from trainer.geometry.variety import Variety
from trainer.harmonic import kaehler
from trainer.sampling.statistics import weighted_mean


def parse(text: str, variety: Variety) -> tuple[tuple[int, ...], ...]:
  """Line bundles "1,-1", or a sum of several "1,-1;-1,1"; UserError if there is none of this."""
  try:
    rows = tuple(tuple(int(k) for k in row.split(",")) for row in text.split(";"))
  except ValueError:
    raise UserError(f"--bundle={text!r} must be whole numbers, such as 1,-1 or 1,-1;-1,1") from None
  m = len(variety.ambient)
  if any(len(row) != m for row in rows):
    raise UserError(
      f"--bundle={text!r} must have one whole number for each of the {m} projective spaces"
    )
  return rows


def curvature(rows: Sequence[Sequence[int]], alpha: np.ndarray) -> np.ndarray:
  """F (B, R, n, n) of R line bundles from the forms alpha (B, m, n, n)."""
  return math.pi * np.einsum("ri,piab->prab", np.array(rows, float), alpha)


def measure(
  variety: Variety,
  bundle: Sequence[int],
  before: dict[str, Any],
  after: dict[str, Any],
  points_per_slice: int,
) -> dict[str, Any]:
  """What there is to say of a line bundle, JSON-like.

  Args:
    variety: the manifold.
    bundle: k.
    before: trainer.harmonic.measure.at_points of the Fubini-Study forms g^(i): that of f = 0.
    after: the same of the harmonic forms.
    points_per_slice: of the points.

  Returns:
    "slope", integral of c_1 ^ omega^{n-1} / (n-1)!, and "energy", integral |F|^2 dvol, each
    {"value", "stderr", "exact"}; "constant", mu; "residual", rms of g^{a bbar} F_{a bbar} - mu,
    {"value", "stderr", "fubini_study"}; "index"; "vanishing_slope", Kaehler moduli where the slope
    vanishes, or null.
  """
  data = variety.ambient, variety.degrees
  k = np.array(bundle, float)
  total = topology.volume(*data, variety.moduli)
  of_class = kaehler.exact(variety)
  mu = math.pi * float(k @ of_class.traces)
  mean = lambda f: weighted_mean(after["volume"], f, points_per_slice)
  trace = math.pi * after["traces"] @ k
  slope, energy = mean(trace), mean(math.pi**2 * after["products"] @ k @ k)
  square = mean((trace - mu) ** 2)
  rms = math.sqrt(square.value)
  place = bundles.vanishing_slopes(*data, [bundle])
  return {
    "slope": {
      "value": slope.value * total / math.pi,
      "stderr": slope.stderr * total / math.pi,
      "exact": bundles.slope(*data, variety.moduli, bundle),
    },
    "constant": mu,
    "residual": {
      "value": rms,
      "stderr": square.stderr / (2 * rms) if rms else 0.0,
      "fubini_study": math.sqrt(mean((math.pi * before["traces"] @ k - mu) ** 2).value),
    },
    "energy": {
      "value": energy.value * total,
      "stderr": energy.stderr * total,
      "exact": math.pi**2 * float(k @ of_class.products @ k),
    },
    "index": bundles.index(*data, bundle),
    "vanishing_slope": None if place is None else place[0].tolist(),
  }


def describe_sum(variety: Variety, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
  """The exact topology of a sum of line bundles, JSON-like.

  Returns:
    "c1"; "c2", its integrals with J_i, and "five_branes", what is left of c_2(X); "anomaly_free",
    whether c_1 = 0 and nothing of it is negative; "index"; "vanishing_slopes", where all vanish,
    or null, and "dimension" of such places.
  """
  data = variety.ambient, variety.degrees
  listed = lambda numbers: [{"J": list(i), "value": value} for i, value in numbers.items()]
  left = bundles.five_branes(*data, rows)
  place = bundles.vanishing_slopes(*data, rows)
  c1 = bundles.first_chern(rows)
  return {
    "c1": list(c1),
    "c2": listed(bundles.second_chern(*data, rows)),
    "five_branes": listed(left),
    "anomaly_free": not any(c1) and all(number >= 0 for number in left.values()),
    "index": sum(bundles.index(*data, row) for row in rows),
    "vanishing_slopes": None if place is None else place[0].tolist(),
    "dimension": None if place is None else place[1],
  }
