"""Measures what was trained on held-out points and writes its certificate, report and pictures."""

import pathlib
from typing import Any

import jax
import numpy as np

from trainer.certificate import certificate as certificates
from trainer.certificate import report, slice_picture
from trainer.devices import parallel
from trainer.optimizers.state import TrainState
from trainer.points import dataset
from trainer.problem.evaluation import Evaluator
from trainer.problem.problem import Problem, Values
from trainer.run import metrics
from trainer.run.run import Run


def certify(
  run: Run,
  state: TrainState,
  *,
  workdir: pathlib.Path,
  mesh: jax.sharding.Mesh,
  data_dir: pathlib.Path,
  memory: int,
  num_points: int | None = None,
  seed: int | None = None,
) -> dict[str, Any]:
  """Writes certificate.json, report.html and pictures/ of what was trained; process 0 prints it.

  Everything is computed in float64 where the devices have it, whatever the precision of training.
  The report is for problems on varieties.

  Args:
    run: the run.
    state: its state, replicated or on the host.
    workdir: the directory of the run.
    mesh: the mesh to spread the points over.
    data_dir: where sampled points are cached.
    memory: bytes of a device for intermediate results.
    num_points: held-out points; by default those of the config.
    seed: their seed; by default the run's.

  Returns:
    The certificate.
  """
  problem = run.problem
  num_points = run.config.data.heldout_points if num_points is None else num_points
  seed = run.seed if seed is None else seed
  dtype = parallel.widest_dtype()
  heldout = dataset.load(problem.source("heldout", seed, data_dir, mesh, dtype), num_points)
  params = jax.tree.map(lambda a: np.asarray(a, dtype), state.params)
  at_heldout = lambda values: Evaluator(values, mesh, memory)(params, heldout.batch, num_points)
  trained = at_heldout(problem.values)
  reference = at_heldout(problem.reference_values) if problem.reference else None

  history = metrics.read_history(workdir / "metrics.jsonl")
  measured = problem.measure(trained)
  certificate = certificates.make_certificate(
    measured,
    {problem.reference: problem.measure(reference)} if problem.reference else {},
    problem.variety,
    certificates.describe_run(
      run.config.to_dict(),
      network=run.present.network,
      parameters=problem.num_parameters(params),
      seed=run.seed,
      dtype=run.dtype.name,
      steps=int(state.step),
      seconds=history[-1]["seconds"] if history else 0.0,
      points={"train": run.config.data.train_points, "heldout": num_points},
      heldout_seed=seed,
    ),
    problem.exact_measures(),
  )
  if jax.process_index() == 0:
    certificates.write_certificate(workdir, certificate)
    if problem.variety and problem.reference:
      _write_report(problem, workdir, certificate, history, reference, trained, params, memory)
    print(certificates.summary(certificate))
    print(f"certificate: {workdir / 'certificate.json'}")
    if problem.variety and problem.reference:
      print(f"report: {workdir / 'report.html'}")
  return certificate


def _write_report(
  problem: Problem,
  workdir: pathlib.Path,
  certificate: dict[str, Any],
  history: list[dict[str, Any]],
  reference: Values,
  trained: Values,
  params: Any,
  memory: int,
) -> None:
  """Writes report.html and its pictures."""
  mesh = parallel.make_mesh(jax.local_devices()[:1])
  evaluator = Evaluator(problem.values, mesh, memory)

  def on_slice(z: np.ndarray) -> np.ndarray:
    dtype = parallel.widest_dtype()
    batch = dataset.prepare_on_host(problem.variety, z, np.ones(len(z)), dtype)
    values = evaluator(params, parallel.shard_rows(mesh, batch, len(z)), len(z))
    return problem.picture(values, trained)

  report.write_report(
    workdir,
    certificate,
    history,
    problem.picture(reference),
    problem.picture(trained),
    trained["weight"],
    slice_picture.compute_slice_picture(problem.variety, on_slice),
  )
