"""The certificate of a trained metric: what was measured, on which manifold, by which run.

It is one JSON object:

  measures      name -> {"value", "stderr", "exact"}, the one it was trained by first; of a metric
                those of trainer.metric.measures.measure_all, of trainer.metric.consistency.findings
                and of trainer.metric.curvature_measures.findings: euler, c2_J_1, .., c1,
                ricci_measure, mean_abs_ricci, min_c2_density, negative_c2_share
  fubini_study  the same measures, on the same points, of the metric that training started from
  positivity    why the field makes sense everywhere: {"statement", and for an algebraic metric
                "least_eigenvalue", "largest_eigenvalue" of H}
  worst_places  extreme -> [{"value", "sampled", "z"}, ..], what a search from the sampled points
                with extreme values found (trainer.certificate.search), z as [real, imaginary] pairs
  extreme_points  measure -> {"value", "z"}, the sampled point where a field of the curvature, or an
                error of the metric, is largest or least
  symmetries    name of a symmetry in the config -> {"value", "stderr"}, the largest deviation
  controls      Chern number -> {"value", "stderr", "gain"}: without control variates, and by how
                much these make the standard error smaller
  histograms    "ricci_scalar", "riemann_squared" -> {"edges", "weights"}, shares of the volume
  share         how much is left of the last correction; only where that had to be shrunk
  verdict       {"passed", "lines": [{"name", "passed", "value", "threshold"}, ..]}
                (trainer.certificate.verdict); certificates of old have none
  manifold      configuration matrix, polynomials, moduli, and the topology that follows from them
  run           command, config, seed, precision, points, steps, seconds, versions, devices

What is not known is null: an exact value nobody has, or the standard error of a single slice.
"""

from collections.abc import Mapping
import importlib.metadata
import json
import math
import pathlib
import platform
import shlex
import sys
from typing import Any

import jax

from trainer.errors import UserError
from trainer.geometry import topology
from trainer.geometry.polynomials import Polynomial, monomial
from trainer.geometry.variety import Variety, configuration_text
from trainer.run import checkpoint
from trainer.sampling.statistics import ROUNDING, Measure, format_measure

# Those besides measures and references.
SECTIONS = (
  "positivity",
  "worst_places",
  "extreme_points",
  "symmetries",
  "controls",
  "histograms",
  "verdict",
  "share",
)
_PACKAGES = ("ricciflat", "jax", "jaxlib", "dm-haiku", "optax", "chex", "orbax-checkpoint", "numpy")


def make_certificate(
  measures: Mapping[str, Measure],
  references: Mapping[str, Mapping[str, Measure]],
  variety: Variety | None,
  run: Mapping[str, Any],
  exact: Mapping[str, float],
  sections: Mapping[str, Any] = {},
) -> dict[str, Any]:
  """Puts a certificate together.

  Args:
    measures: of what was trained; the one it was trained by first.
    references: name -> the same measures of what it is compared with, such as "fubini_study".
    variety: the manifold, if there is one.
    run: see describe_run.
    exact: the measures whose exact value is known.
    sections: further sections, JSON-like.

  Returns:
    The certificate, exactly as it reads back from JSON.
  """
  entries = lambda group: {
    name: {
      "value": _finite(measure.value),
      "stderr": _finite(measure.stderr),
      "exact": exact.get(name),
    }
    for name, measure in group.items()
  }
  content = {"measures": entries(measures)}
  content |= {name: entries(group) for name, group in references.items()}
  content |= _known(dict(sections))
  if variety:
    content["manifold"] = describe_manifold(variety)
  content["run"] = dict(run)
  return json.loads(json.dumps(content, allow_nan=False))


def write_certificate(workdir: pathlib.Path, certificate: Mapping[str, Any]) -> pathlib.Path:
  """Writes certificate.json into `workdir`, atomically; returns its path."""
  path = workdir / "certificate.json"
  checkpoint.write_json(path, certificate)
  return path


def read_certificate(workdir: pathlib.Path) -> dict[str, Any]:
  """Reads certificate.json of `workdir`; UserError if there is none."""
  try:
    return json.loads((workdir / "certificate.json").read_text())
  except FileNotFoundError:
    raise UserError(
      f"{workdir} holds no certificate: ricciflat-evaluate --workdir={workdir} makes one of a "
      "trained run"
    ) from None


def describe_run(
  config: Mapping[str, Any],
  *,
  network: str,
  parameters: int,
  seed: int,
  dtype: str,
  steps: int,
  seconds: float,
  points: Mapping[str, int],
  heldout_seed: int,
  digest: str,
) -> dict[str, Any]:
  """What was run, JSON-like, with the versions and devices of this process.

  Args:
    config: the run's config as nested dictionaries.
    network: the network of the final metric.
    parameters: how many it has.
    seed: the run's seed.
    dtype: the name of the precision of training.
    steps: training steps done.
    seconds: wall-clock time of sampling and training, resumed parts added up.
    points: split -> number of points.
    heldout_seed: the seed of the points the measures were taken on.
    digest: of all parameters, see trainer.run.run.digest.
  """
  return {
    "command": _command(),
    "config": dict(config),
    "network": network,
    "parameters": parameters,
    "seed": seed,
    "dtype": dtype,
    "steps": steps,
    "seconds": seconds,
    "points": dict(points),
    "heldout_seed": heldout_seed,
    "digest": digest,
    "versions": {"python": platform.python_version(), **{p: _version(p) for p in _PACKAGES}},
    "devices": {
      "platform": jax.devices()[0].platform,
      "kind": jax.devices()[0].device_kind,
      "count": jax.device_count(),
      "processes": jax.process_count(),
    },
  }


def describe_manifold(variety: Variety) -> dict[str, Any]:
  """The manifold, its polynomials and its exact topology, JSON-like."""
  return {
    **describe_topology(variety.ambient, variety.degrees, variety.moduli),
    "polynomials": [readable(q) for q in variety.polynomials],
  }


def describe_topology(
  ambient: tuple[int, ...], degrees: tuple[tuple[int, ...], ...], moduli: tuple[float, ...]
) -> dict[str, Any]:
  """What follows from a configuration matrix alone, JSON-like.

  Args:
    ambient: (n_1, ..., n_m).
    degrees: one row a factor, one column a polynomial.
    moduli: Kaehler moduli.

  Returns:
    ambient, degrees, moduli, dimension n, euler, volume; intersection {"112": kappa_112, ...},
    factors counted from 1; c2, the integrals of c_2 J_i .. J_j (n - 2 factors) over i <= .. <= j in
    lexicographic order: [c_2.J_1, c_2.J_2, ...] of a threefold.
  """
  numbers = topology.intersection_numbers(ambient, degrees)
  return {
    "ambient": ambient,
    "degrees": degrees,
    "moduli": moduli,
    "dimension": sum(ambient) - len(degrees[0]),
    "euler": topology.euler_number(ambient, degrees),
    "volume": topology.volume(ambient, degrees, moduli),
    "intersection": {"".join(str(i + 1) for i in index): k for index, k in numbers.items()},
    "c2": list(topology.c2(ambient, degrees).values()),
  }


def deviation(entry: Mapping[str, float | None]) -> float | None:
  """(value - exact) / stderr of an entry of `measures`, None where there is nothing to compare."""
  value, stderr, exact = entry["value"], entry["stderr"], entry["exact"]
  if None in (value, stderr, exact) or stderr <= ROUNDING * abs(value):
    return None
  return (value - exact) / stderr


def summary(certificate: Mapping[str, Any]) -> str:
  """The certificate as a plain-text table for the terminal."""
  rows = [("", "value", "exact", "deviation")]
  for name, entry in certificate["measures"].items():
    off = deviation(entry)
    rows.append(
      (
        name,
        format_measure(entry["value"], entry["stderr"]),
        "" if entry["exact"] is None else f"{entry['exact']:.8g}",
        "" if off is None else f"{off:+.1f} standard errors",
      )
    )
  widths = [max(len(row[i]) for row in rows) for i in range(3)]
  lines = []
  if "manifold" in certificate:
    manifold = certificate["manifold"]
    lines += [
      f"{configuration_text(manifold['ambient'], manifold['degrees'])}: dimension "
      f"{manifold['dimension']}, Euler number {manifold['euler']}, "
      f"volume {manifold['volume']:.8g}",
      "",
    ]
  for row in rows:
    cells = (cell.ljust(width) for cell, width in zip(row, widths))
    lines.append("  ".join((*cells, row[3])).rstrip())
  merit, after = next(iter(certificate["measures"].items()))
  was = "".join(
    f"{format_measure(group[merit]['value'], group[merit]['stderr'])} "
    f"({name.replace('_', '-').title()}) -> "
    for name, group in certificate.items()
    if name not in ("measures", "manifold", "run", *SECTIONS)
  )
  run = certificate["run"]
  lines += [
    "",
    f"{merit} {was}{format_measure(after['value'], after['stderr'])} in {run['seconds']:.0f} s, "
    f"{run['points']['heldout']} held-out points",
  ]
  return "\n".join(lines)


def readable(polynomial: Polynomial) -> str:
  """The polynomial as a config would write it: "z0^5 + z1^5 - 2.5*z0*z1*z2"."""
  text = ""
  for row, c in zip(polynomial.exponents, polynomial.coefficients):
    sign, number = "+", f"({c:.6g})"
    if c.imag == 0:
      sign, number = "-" if c.real < 0 else "+", f"{abs(c.real):.6g}"
    term = monomial(row) if number == "1" else f"{number}*{monomial(row)}"
    text += f" {sign} {term}" if text else term if sign == "+" else f"-{term}"
  return text


def _command() -> str:
  """This process' command line, as one types it."""
  script = pathlib.Path(sys.argv[0])
  of_ours = script.parent.name == "launch"
  program = ["python", "-m", f"launch.{script.stem}"] if of_ours else [script.name]
  return shlex.join([*program, *sys.argv[1:]])


def _finite(number: float) -> float | None:
  return number if math.isfinite(number) else None


def _known(content: Any) -> Any:
  """JSON-like content, None in place of what is no number."""
  if isinstance(content, Mapping):
    return {name: _known(value) for name, value in content.items()}
  if isinstance(content, list | tuple):
    return [_known(value) for value in content]
  return _finite(content) if isinstance(content, float) else content


def _version(package: str) -> str | None:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None
