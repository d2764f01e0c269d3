"""What fields of a trained run start from and leave in its directory."""

from __future__ import annotations

import hashlib
import os
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from trainer.errors import UserError
from trainer.loop.state import load_state
from trainer.quadrature import background as backgrounds
from trainer.quadrature.background import Background
from trainer.run import run as runs
from trainer.run.metrics import Progress
from trainer.run.run import Run


class Settings(NamedTuple):
  """Where a field of a run is computed.

  Attributes:
    mesh: the devices.
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results.
  """

  mesh: jax.sharding.Mesh
  data_dir: pathlib.Path | None
  memory: int


def load(workdir: pathlib.Path) -> tuple[Run, Any]:
  """The run of a metric and the parameters of its network; UserError if there is none."""
  run = runs.load_run(workdir)
  if not hasattr(run.problem, "ansatz"):
    raise UserError(f"{workdir} holds no metric: it learned {run.problem.describe()}")
  return run, jax.tree.map(np.asarray, load_state(run, workdir).params["network"])


def background(
  run: Run, params: Any, settings: Settings, progress: Progress, split: str, count: int, seed=None
) -> Background:
  """Points of a run's metric."""
  return backgrounds.of_run(
    run,
    params,
    num_points=count,
    split=split,
    seed=seed,
    data_dir=settings.data_dir,
    mesh=settings.mesh,
    memory=settings.memory,
    progress=progress.sampling,
  )


def digest(params: Any) -> str:
  """Tells the parameters a field was made of from others."""
  sha = hashlib.sha256()
  for leaf in jax.tree.leaves(params):
    sha.update(np.ascontiguousarray(leaf).tobytes())
  return sha.hexdigest()


def save(path: pathlib.Path, arrays: dict[str, Any]) -> None:
  """Writes arrays so that `path` holds either its old content or the whole new one."""
  temporary = path.with_name(path.name + ".tmp")
  with temporary.open("wb") as file:
    np.savez(file, **arrays)
  os.replace(temporary, path)
