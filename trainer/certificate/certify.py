"""Measures a trained metric on held-out points and writes its certificate, report and pictures."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trainer.certificate import certificate as certificates
from trainer.certificate import report, slice_picture
from trainer.devices import parallel
from trainer.metric import measures
from trainer.metric.evaluation import Evaluator, fubini_study
from trainer.optimizers.first_order_step import TrainState
from trainer.points import dataset as data
from trainer.run import metrics
from trainer.run.run import Run
from trainer.sampling.sampler import Sampler


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
  """Writes certificate.json, report.html and pictures/ of a trained metric; process 0 prints it.

  Everything is computed in float64 where the devices have it, whatever the precision of training.

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
  num_points = run.config.data.heldout_points if num_points is None else num_points
  seed = run.seed if seed is None else seed
  dtype = parallel.widest_dtype()
  heldout = data.load(data.Source(run.variety, "heldout", seed, data_dir, mesh, dtype), num_points)
  params = jax.tree.map(lambda a: np.asarray(a, dtype), state.params["network"])
  slice_size = Sampler(run.variety).points_per_slice

  trained = Evaluator(run.ansatz.metric, mesh, memory)(params, heldout.batch, num_points)
  started = Evaluator(fubini_study, mesh, memory)(params, heldout.batch, num_points)
  history = metrics.read_history(workdir / "metrics.jsonl")
  measured = measures.measure_all(trained, slice_size)
  certificate = certificates.make_certificate(
    measured,
    measures.measure_all(started, slice_size),
    run.variety,
    certificates.describe_run(
      run.config.to_dict(),
      network=run.phases[run.phase].network,
      parameters=sum(leaf.size for leaf in jax.tree.leaves(params)),
      seed=run.seed,
      dtype=run.dtype.name,
      steps=int(state.step),
      seconds=history[-1]["seconds"] if history else 0.0,
      points={"train": run.config.data.train_points, "heldout": num_points},
      heldout_seed=seed,
    ),
  )
  if jax.process_index() == 0:
    certificates.write_certificate(workdir, certificate)
    report.write_report(
      workdir,
      certificate,
      history,
      measures.relative_volume_form(started),
      measures.relative_volume_form(trained),
      trained.weight,
      slice_picture.compute_slice_picture(
        run.variety, _eta(run, params, measured["kappa"].value, dtype, memory)
      ),
    )
    print(certificates.summary(certificate))
    print(f"certificate: {workdir / 'certificate.json'}\nreport: {workdir / 'report.html'}")
  return certificate


def _eta(run: Run, params: Any, kappa: float, dtype: jnp.dtype, memory: int):
  """eta of the trained metric as a function of points z (B, N), on one device of this process."""
  mesh = parallel.make_mesh(jax.local_devices()[:1])
  evaluator = Evaluator(run.ansatz.metric, mesh, memory)

  def eta(z: np.ndarray) -> np.ndarray:
    batch = data.prepare_on_host(run.variety, z, np.ones(len(z)), dtype)
    values = evaluator(params, parallel.shard_rows(mesh, batch, len(z)), len(z))
    return values.determinant / (kappa * values.omega)

  return eta
