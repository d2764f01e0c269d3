"""The spectrum of a metric at points: calibrated integrals, eigenfunctions, levels with errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import functools
from typing import Any, NamedTuple

import numpy as np

from trainer.devices import parallel
from trainer.quadrature import calibrate
from trainer.quadrature.background import Background
from trainer.quadrature.calibrate import Controls
from trainer.quadrature.functions import Functions
from trainer.spectrum import blocks as by_group
from trainer.spectrum import iterate, levels, ritz
from trainer.spectrum.blocks import Blocks
from trainer.spectrum.levels import Level
from trainer.spectrum.ritz import Modes

# Eigenfunctions that are looked at.
MOST = 160
# Values that a group makes equal differ by less than this part of the largest.
_EXACT = 1e-8


class Spectrum(NamedTuple):
  """What became of a background.

  Attributes:
    levels: of the metric scaled to volume 1.
    modes: the eigenfunctions of these levels, mean square 1, eigenvalues at volume 1.
  """

  levels: list[Level]
  modes: Modes


def spectrum(
  background: Background,
  functions: Functions,
  controls: Controls | None = None,
  *,
  blocks: Blocks | None = None,
  count: int = MOST,
  progress: Callable[[str], None] = lambda text: None,
  kept: Callable[[str, Callable], Mapping] = lambda name, make: make(),
) -> Spectrum:
  """The lowest levels of the Laplacian.

  Each half of the points is calibrated by itself, so that both halves and their mean obey what is
  known: the mean gives the levels, the halves their bias.

  Args:
    background: points, whole slices, as many on every device, half of them too.
    functions: among which eigenfunctions are looked for.
    controls: functions whose integral vanishes; None: plain weights.
    blocks: of these functions by a group that keeps the metric; means are taken over it.
    count: of eigenfunctions, at most.
    progress: told what begins.
    kept: called with a name and what makes arrays, which takes long; returns these.
  """
  plain = halves = background.halves()
  known = [None, None]
  if controls is not None:
    progress("calibrating weights")
    known = [
      calibrate.calibrated(half, controls, functools.partial(kept, f"controls_{i}"))
      for i, half in enumerate(plain)
    ]
    halves = [of.background for of in known]
  progress("eigenfunctions")
  found = kept("modes", lambda: _find(halves, functions, blocks, count, progress))
  modes = Modes(found["values"], found["forms"], bool(found["complete"]))
  progress("errors")
  parts = zip(plain, known, strict=True)
  terms = np.concatenate([_terms(*part, functions, controls, modes) for part in parts])
  irreps = np.arange(len(modes.values)) if blocks is None else _irreps(modes.values)
  # The mean over a group of a member's term is that of all members (Schur's lemma).
  together = irreps[:, None] == irreps
  terms = terms @ (together / together.sum(axis=0))
  scale = background.total ** (1 / background.dimension)
  merged = levels.levels(
    scale * modes.values,
    scale * np.mean(found["of_halves"], axis=0),
    scale * terms,
    irreps,
    complete=modes.complete,
  )
  size = sum(level.multiplicity for level in merged)
  forms = background.total**0.5 * modes.forms[:size]
  return Spectrum(merged, Modes(scale * modes.values[:size], forms, modes.complete))


def _find(halves, functions, blocks, count, progress):
  """Modes as arrays, and eigenvalues (2, L) of the halves."""
  if blocks is not None:
    modes, of_halves = by_group.find(halves, blocks, count)
  elif functions.count <= iterate.LARGE:
    modes, of_halves = ritz.find(halves, functions, count)
  else:
    modes, of_halves = iterate.find(halves, functions, count, progress=progress)
  size = len(modes.values)
  return modes._asdict() | {"of_halves": np.stack([values[:size] for values in of_halves])}


def _irreps(values):
  """Numbers (L,) of the representations of a group, in each of which values agree exactly."""
  return np.concatenate([[0], np.cumsum(np.diff(values) > _EXACT * values[-1])])


def _terms(plain, known, functions, controls, modes) -> Any:
  """What each slice of half the points adds to the eigenvalues of all, (C, L)."""
  half = plain if known is None else known.background
  rest, penalty = ritz.defects(half, functions, modes), 1.0
  slices = half.num_points // half.points_per_slice
  if known is not None:
    rest, count = calibrate.unexplained(plain, controls, known, rest)
    # Least squares explain as much of the noise as they have unknowns.
    penalty = 1 / max(1 - count / slices, 0.1)
  terms = np.asarray(parallel.gather_rows(half.rows.volume[:, None] * rest))[: half.num_points]
  return penalty / 2 * terms.reshape(slices, -1, terms.shape[1]).sum(axis=1)
