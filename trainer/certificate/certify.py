"""Measures what was trained on held-out points and writes its certificate, report and pictures."""

from collections.abc import Callable
import functools
import pathlib
from typing import Any

import jax
import numpy as np

from trainer.certificate import certificate as certificates
from trainer.certificate import report, search, slice_picture, verdict
from trainer.devices import parallel
from trainer.optimizers.state import TrainState
from trainer.points import dataset
from trainer.problem import evaluation
from trainer.problem.evaluation import Evaluator
from trainer.problem.problem import Look
from trainer.run import metrics
from trainer.run import run as runs
from trainer.run.run import Run

# Worst places of each kind that a certificate names.
_PLACES = 3
# Resolution of slices that show a field of a closer look.
_COARSE = 32


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
  progress: metrics.Progress | None = None,
  mend: Callable[[np.ndarray], tuple[Run, TrainState]] | None = None,
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
    progress: is told what is done; None: nobody is.
    mend: places where the field does not make sense (K, N) -> the run and its state mended, which
      are then certified; None: what was found is certified.

  Returns:
    The certificate.
  """
  problem, progress = run.problem, progress or metrics.Progress(enabled=False)
  num_points = run.config.data.heldout_points if num_points is None else num_points
  seed = run.seed if seed is None else seed
  dtype = parallel.widest_dtype()
  progress.stage(f"measuring on {num_points:,} held-out points")
  heldout = dataset.load(problem.source("heldout", seed, data_dir, mesh, dtype), num_points)
  params = jax.tree.map(lambda a: np.asarray(a, dtype), state.params)
  at_heldout = lambda values: Evaluator(values, mesh, memory)(params, heldout.batch, num_points)
  trained = at_heldout(problem.values)
  reference = at_heldout(problem.reference_values) if problem.reference else None
  progress.stage("searching for the worst places")
  places = search.worst_places(problem, params, heldout, trained, mesh, memory, dtype)
  bad = search.where_not(problem, places)
  if mend is not None and len(bad):
    mended, state = mend(bad)
    return certify(
      mended,
      state,
      workdir=workdir,
      mesh=mesh,
      data_dir=data_dir,
      memory=memory,
      num_points=num_points,
      seed=seed,
      progress=progress,
    )
  on_training = _merit_on_training_points(run, params, num_points, mesh, data_dir, memory)

  history = metrics.read_history(workdir / "metrics.jsonl")
  look = _look(problem, params, heldout, trained["weight"], mesh, memory, dtype)
  progress.stage("taking a closer look")
  found = problem.inspect(look)
  measured = problem.measure(trained) | found.measures
  references = {problem.reference: problem.measure(reference)} if problem.reference else {}
  exact = problem.exact_measures()
  positivity, lines = _sensible(problem, params, places, measured)
  certificate = certificates.make_certificate(
    measured,
    {name: group | found.references.get(name, {}) for name, group in references.items()},
    problem.variety,
    certificates.describe_run(
      run.identity["config"],
      network=run.present.network,
      parameters=problem.num_parameters(params),
      seed=run.seed,
      dtype=run.dtype.name,
      steps=int(state.step),
      seconds=history[-1]["seconds"] if history else 0.0,
      points={"train": run.config.data.train_points, "heldout": num_points},
      heldout_seed=seed,
      digest=runs.digest(state.params),
    ),
    exact,
    positivity | {"worst_places": _described(places)} | _shrunk(run) | found.sections,
  )
  lines += verdict.exact(certificate["measures"])
  lines += verdict.sampling(trained["weight"], problem.points_per_slice)
  lines.append(verdict.overfitting(measured[problem.merit], on_training))
  certificate["verdict"] = verdict.make_verdict(lines)
  progress.stage("writing the report")
  reported = problem.variety and problem.reference
  slices = _slices(problem, look, trained, found) if reported else {}
  if jax.process_index() == 0:
    certificates.write_certificate(workdir, certificate)
    if reported:
      eta = (problem.picture(values) for values in (reference, trained))
      report.write_report(workdir, certificate, history, *eta, trained["weight"], slices)
    print(certificates.summary(certificate))
    print(verdict.summary(certificate["verdict"]))
    print(f"certificate: {workdir / 'certificate.json'}")
    if reported:
      print(f"report: {workdir / 'report.html'}")
  return certificate


def _look(problem, params, heldout, weight, mesh, memory, dtype):
  """What the problem may look at."""

  def values(function):
    level = 0 if heldout.num_points <= parallel.FEW_POINTS else 1
    return Evaluator(function, mesh, memory, level)(params, heldout.batch, heldout.num_points)

  return Look(
    heldout.num_points,
    values,
    lambda count: (dataset.coordinates(heldout)[:count], weight[:count]),
    evaluation.anywhere(problem.values, problem.variety, params, mesh, memory, dtype),
    lambda function: evaluation.anywhere(
      function, problem.variety, params, mesh, memory, dtype, level=1
    ),
  )


def _merit_on_training_points(run, params, num_points, mesh, data_dir, memory):
  """The merit on as many training points as there are held-out ones, of the run's own."""
  settings = run.config.data
  count = min(num_points, settings.train_points)
  directory = None if settings.stream else data_dir
  source = run.problem.source("train", run.seed, directory, mesh, parallel.widest_dtype())
  batch = dataset.load(source, count).batch
  values = Evaluator(run.problem.values, mesh, memory)(params, batch, count)
  return run.problem.validate(values)[run.problem.merit]


def _sensible(problem, params, places, measured):
  """What the certificate says of where the field makes sense, and the verdict's line of it."""
  if problem.sensible is None:
    return {}, []
  name, words = problem.sensible
  least = min([measured[name].value, *(place.value for place in places.get(name, ()))])
  spectrum = problem.spectrum(params)
  if spectrum is None:
    statement = (
      f"{words} at all sampled points and at the worst places that a search from them found"
    )
    positivity = {"statement": statement if least > 0 else f"not {words} everywhere"}
  else:
    bounds = float(np.min(spectrum)), float(np.max(spectrum))
    statement = "positive everywhere: H > 0" if bounds[0] > 0 else "H has negative eigenvalues"
    positivity = {
      "statement": statement,
      "least_eigenvalue": bounds[0],
      "largest_eigenvalue": bounds[1],
    }
  return {"positivity": positivity}, [verdict.sensible(words, least)]


def _shrunk(run):
  return {} if run.share == 1 else {"share": run.share}


def _described(places):
  return {
    name: [
      {
        "value": place.value,
        "sampled": place.sampled,
        "z": np.stack([place.z.real, place.z.imag], axis=1).round(12).tolist(),
      }
      for place in found[:_PLACES]
    ]
    for name, found in places.items()
  }


def _slices(problem, look, trained, found):
  """The pictures of a slice of the variety, where it has one: name of a field -> SlicePicture."""
  eta = lambda z: np.abs(problem.picture(look.anywhere(z, None), trained) - 1)
  draw = functools.partial(slice_picture.compute_slice_picture, problem.variety)
  slices = {"eta": draw(eta)}
  slices |= {name: draw(field, resolution=_COARSE) for name, field in found.fields.items()}
  return {name: picture for name, picture in slices.items() if picture is not None}
