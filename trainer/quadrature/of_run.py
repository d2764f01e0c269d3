"""What fields of a trained run start from and leave in its directory."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import pathlib
from typing import Any

import jax
import numpy as np

from trainer.devices import parallel, speed
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.loop.state import load_state
from trainer.quadrature import background as backgrounds
from trainer.quadrature.background import Background
from trainer.run import checkpoint
from trainer.run import run as runs
from trainer.run.metrics import Progress
from trainer.run.run import Run, digest
from trainer.run.unfinished import Unfinished


@dataclasses.dataclass(frozen=True)
class Task:
  """What is asked of a run's metric, and where it is computed.

  Attributes:
    workdir: the directory of the run.
    run: of a metric.
    params: of its network.
    digest: of all its parameters.
    mesh: the devices.
    data_dir: where sampled points are cached; None stores nothing.
    memory: bytes of a device for intermediate results.
    num_points: held-out points; None: what the config says, or the field needs.
    seed: of these points; None: the run's.
    degree: of functions; None: what time allows.
    progress: says what is done and how long it takes.
  """

  workdir: pathlib.Path
  run: Run
  params: Any
  digest: str
  mesh: jax.sharding.Mesh
  data_dir: pathlib.Path | None
  memory: int
  num_points: int | None
  seed: int | None
  degree: int | None
  progress: Progress

  @property
  def variety(self) -> Variety:
    """The manifold."""
    return self.run.problem.variety

  @property
  def unfinished(self) -> Unfinished:
    """How far this has come when it was stopped."""
    return Unfinished(self.workdir)

  @functools.cached_property
  def rate(self) -> float:
    """Float32 operations a second, the same number on all processes."""
    return parallel.of_first_process(speed.measure(self.mesh.size).flops)

  def check_degree(self, needs: Callable[[int], float]) -> None:
    """Raises UserError if a degree is asked for that is not positive or needs too much memory.

    Args:
      needs: degree -> bytes of a device.
    """
    if self.degree is not None:
      check_degree(self.degree, needs, self.memory)

  def background(self, split: str, count: int, seed: int | None = None) -> Background:
    """Points of the metric."""
    return backgrounds.of_run(
      self.run,
      self.params,
      num_points=count,
      split=split,
      seed=seed,
      data_dir=self.data_dir,
      mesh=self.mesh,
      memory=self.memory,
      progress=self.progress.sampling,
    )

  def heldout(self) -> Background:
    """Points to measure at, of the number and seed that are asked for."""
    count = self.num_points or self.run.config.data.heldout_points
    return self.background("heldout", count, self.seed)

  def write(self, name: str, content: dict[str, Any], arrays: dict[str, Any]) -> pathlib.Path:
    """Writes NAME.npz and NAME.json, by process 0; returns the path of the latter."""
    path = self.workdir / f"{name}.json"
    if jax.process_index() == 0:
      checkpoint.write_arrays(path.with_suffix(".npz"), arrays)
      checkpoint.write_json(path, content | {"digest": self.digest})
    self.progress.close()
    return path


def check_degree(degree: int, needs: Callable[[int], float], memory: int) -> None:
  """Raises UserError if a degree is not positive or needs more than a device's memory, in bytes."""
  if degree < 1:
    raise UserError(f"--degree={degree} must be at least 1")
  if needs(degree) > memory:
    best = max((k for k in range(1, degree) if needs(k) <= memory), default=0)
    raise UserError(
      f"--degree={degree} needs about {needs(degree) / 2**20:,.0f} MiB a device, "
      f"more than the {memory / 2**20:,.0f} of --memory_mib: "
      + (f"--degree={best} fits" if best else "no degree fits")
    )


def open_task(
  workdir: pathlib.Path,
  *,
  mesh: jax.sharding.Mesh,
  data_dir: pathlib.Path | None,
  memory: int,
  num_points: int | None = None,
  seed: int | None = None,
  degree: int | None = None,
) -> Task:
  """Loads the run of a metric; see Task. UserError if there is none."""
  progress = Progress(enabled=jax.process_index() == 0)
  progress.stage(f"loading {workdir}")
  run, params = _load(workdir)
  return Task(
    workdir,
    run,
    params["network"],
    digest(params),
    mesh,
    data_dir,
    memory,
    num_points,
    seed,
    degree,
    progress,
  )


def load(workdir: pathlib.Path) -> tuple[Run, Any]:
  """The run of a metric and the parameters of its network; UserError if there is none."""
  run, params = _load(workdir)
  return run, params["network"]


def _load(workdir):
  run = runs.load_run(workdir)
  if not hasattr(run.problem, "ansatz"):
    raise UserError(f"{workdir} holds no metric: it learned {run.problem.describe()}")
  return run, jax.tree.map(np.asarray, load_state(run, workdir).params)
