"""The symmetry group that a config names."""

from __future__ import annotations

import itertools

import numpy as np

from networks import symmetry
from networks.symmetry import Generators
from trainer.geometry.variety import Variety
from trainer.problem.network_text import parse_network, split_terms
from trainer.run.run import Run


def of_run(run: Run) -> Generators | None:
  """The group of config.symmetries, else that of an invariant network; None if there is none."""
  named = [run.config.symmetries.to_dict()]
  first, *corrections = split_terms(run.network)
  name, arguments = parse_network(first)
  if name == "invariant" and not corrections:
    named.append({key: arguments[key] for key in named[0] if key in arguments})
  rows = lambda table: tuple(tuple(int(i) for i in row) for row in table)
  for fields in named:
    group = Generators(
      int(fields.get("order", 1)),
      rows(fields.get("phases", ())),
      rows(fields.get("permutations", ())),
      bool(fields.get("conjugation", False)),
    )
    if group.phases or group.permutations or group.conjugation:
      return group
  return None


def order(variety: Variety, group: Generators) -> int:
  """The number of different maps in a group."""
  permutations = symmetry.permutations(np.eye(variety.num_coordinates, dtype=int), group)
  return num_phases(variety, group) * len(permutations) * (1 + group.conjugation)


def num_phases(variety: Variety, group: Generators) -> int:
  """The number of different maps among the phases of a group."""
  first = np.repeat([s.start for s in variety.factor_slices], np.array(variety.ambient) + 1)
  # Equal phases of all coordinates of a projective space do nothing.
  reduced = lambda p: tuple((np.array(p) - np.array(p)[first]) % group.order)
  steps = {reduced(p) for p in symmetry.closed_phases(group)}
  known = new = {(0,) * len(first)}
  while new:
    new = {reduced(np.add(p, q)) for p, q in itertools.product(new, steps)} - known
    known = known | new
  return len(known)
