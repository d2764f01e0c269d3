"""What was done to a run whose field did not make sense somewhere; kept in its workdir."""

import json
import pathlib
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.geometry.walk import walk
from trainer.points import dataset
from trainer.points.batch import Batch
from trainer.run import checkpoint

# Training points around each place, and how far away, in the metric of unit spheres.
_NEIGHBOURS, _REACH = 64, 0.05


class Mending(NamedTuple):
  """Repairs of a run.

  Attributes:
    places: (K, N) complex, places where the field did not make sense, trained on since; (0,) if
      there are none.
    rounds: how often places were added.
    share: how much is left of the last correction.
  """

  places: np.ndarray = np.zeros(0)
  rounds: int = 0
  share: float = 1.0

  def points(self, variety: Variety, dtype: jnp.dtype) -> Batch:
    """The places and points around them, numpy arrays, to train on."""
    random = np.random.default_rng(0)
    z = self.places.repeat(_NEIGHBOURS, 0)
    steps = random.normal(size=(2, *z.shape)) / np.sqrt(2 * z.shape[1])
    steps = _REACH * (steps[0] + 1j * steps[1])
    steps[::_NEIGHBOURS] = 0
    with parallel.geometry_device():
      z = np.asarray(walk(variety, z, steps))
    return dataset.prepare_on_host(variety, z, np.ones(len(z)), dtype)


def read(workdir: pathlib.Path) -> Mending | None:
  """The repairs of the run in `workdir`, None if there were none; UserError if unreadable."""
  path = workdir / "mending.json"
  try:
    stored = json.loads(path.read_text())
    places = [[complex(*pair) for pair in place] for place in stored["places"]]
    return Mending(np.array(places), int(stored["rounds"]), float(stored["share"]))
  except FileNotFoundError:
    return None
  except (ValueError, KeyError, TypeError):
    raise UserError(f"{path} is damaged or not from this program") from None


def write(workdir: pathlib.Path, mending: Mending) -> None:
  """Stores the repairs, atomically."""
  places = [[(c.real, c.imag) for c in place] for place in mending.places]
  content = {"places": places, "rounds": mending.rounds, "share": mending.share}
  checkpoint.write_json(workdir / "mending.json", content)
