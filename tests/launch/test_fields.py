"""Fields of a run: one device or two processes find the same; mistakes are told at once."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import fermat_cubic
from tests.launch.commands import start_several, succeed
from trainer import default_config, variety
from trainer.bundles import matter_of_run
from trainer.bundles import write as bundles
from trainer.certificate import report_fields
from trainer.certificate.certificate import read_certificate
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.harmonic import write as harmonic
from trainer.loop.state import first_state
from trainer.quadrature import of_run
from trainer.run import checkpoint
from trainer.run.checkpoints import Checkpoints
from trainer.run.metrics import Progress
from trainer.run.run import open_run
from trainer.spectrum import measure
from trainer.spectrum.write import write_spectrum

# A curve on which the slope of O(1, -1) vanishes, smooth where psi is not 0 or +-4.
_CURVE = "(z0^2 + z1^2)*(z2^2 + z3^2) + psi*z0*z1*z2*z3"
_BUNDLE = "1,-1"


def _config(polynomials=_CURVE):
  config = default_config()
  config.variety = variety((1, 1), polynomials=polynomials, parameters={"psi": "3+1j"})
  config.network = "phi_mlp(widths=(4,))"
  config.data.concentration = "off"
  config.data.heldout_points = 300
  return config


def _make_run(workdir, config):
  """A run that starts from its first parameters and ends there."""
  workdir.mkdir()
  run = open_run(config, 0, jnp.dtype("float64"))
  checkpoint.claim_workdir(workdir, run.identity, write=True)
  with Checkpoints(workdir, run.phase, 1) as saved:
    saved.save(0, first_state(run), force=True)
  verdict = {"passed": True, "lines": []}
  checkpoint.write_json(
    workdir / "certificate.json", {"verdict": verdict, "run": {}, "manifold": {}}
  )
  return workdir


def _leaves(path):
  return jax.tree.leaves(json.loads(path.read_text()))


def test_two_processes_find_what_one_device_finds(tmp_path):
  """All fields in one pair of processes: most of the time is compilation."""
  one, two = (_make_run(tmp_path / name, _config()) for name in ("one", "two"))
  asked = dict(degree=1, num_points=768)
  flags = dict(workdir=two, spectrum=True, harmonic=True, bundle=_BUNDLE, degree=1, points=768)
  processes = start_several(2, "evaluate", tmp_path, **flags)
  mesh = parallel.make_mesh(jax.devices()[:1])
  task = of_run.open_task(one, mesh=mesh, data_dir=None, memory=2**28, **asked)
  written = [harmonic.write_harmonic(task), bundles.write_bundle(task, _BUNDLE)]
  written.append(write_spectrum(task))
  spectrum = json.loads(written[-1].read_text())
  assert spectrum["control_degree"] == 1 and spectrum["points"] == 768
  outputs = [succeed(process) for process in processes]
  assert "harmonic.json" in outputs[0] and "deformations: about" in outputs[0]
  for path in written:
    for value, other in zip(_leaves(path), _leaves(two / path.name), strict=True):
      if isinstance(value, str):
        assert value == other
      else:
        np.testing.assert_allclose(other, value, rtol=1e-9, atol=1e-9, err_msg=path.name)
  assert not (two / "unfinished").exists()


def test_a_spectrum_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
  """On a machine that is found to be slower, too: other times are predicted."""
  workdir, mesh = _make_run(tmp_path / "run", _config()), parallel.make_mesh(jax.devices()[:1])
  task = of_run.open_task(workdir, mesh=mesh, data_dir=None, memory=2**28, degree=1, num_points=768)

  def stop(*arguments, **settings):
    raise RuntimeError

  with monkeypatch.context() as patch:
    patch.setattr(measure.levels, "levels", stop)
    with pytest.raises(RuntimeError):
      write_spectrum(task)
  vars(task)["rate"] = 1e-6 * task.rate
  monkeypatch.setattr(measure, "_find", stop)
  assert json.loads(write_spectrum(task).read_text())["points"] == 768
  assert not (workdir / "unfinished").exists()


def test_all_deformations_of_a_curve(tmp_path):
  """One, whose G and y are known."""
  config = fermat_cubic.get_config()
  config.network, config.data.concentration = "phi_mlp(widths=(4,))", "off"
  workdir, mesh = _make_run(tmp_path / "run", config), parallel.make_mesh(jax.devices()[:1])
  task = of_run.open_task(workdir, mesh=mesh, data_dir=None, memory=2**28, num_points=1500)
  found = json.loads(harmonic.write_deformations(task).read_text())
  assert found["names"] == ["z0*z1*z2"] and found["residual"]["after"] < found["residual"]["before"]
  for name in "Gy":
    value, stderr, exact = (found[name]["z0*z1*z2"][part] for part in ("value", "stderr", "exact"))
    assert abs(value - exact) < 4 * stderr < 0.05 * exact
  assert found["y"]["z0*z1*z2"]["exact"] == pytest.approx(1, rel=1e-12)
  arrays = np.load(workdir / "deformations.npz")
  assert arrays["mu"].shape == (1500, 1, 1, 1) and arrays["couplings"].shape == (1,)
  assert "H¹(T), all polynomial" in report_fields.sections(workdir, read_certificate(workdir))


def _unloaded(config, degree=None, memory=2**28):
  """A task of a run that nobody trained."""
  run = open_run(config, 0, jnp.dtype("float64"))
  mesh = parallel.make_mesh(jax.devices()[:1])
  return of_run.Task(
    None, run, None, "", mesh, None, memory, None, None, degree, Progress(enabled=False)
  )


def test_mistakes_are_told_before_anything_long():
  small, curve = 2**22, _config()
  too_much = r"--degree=40 needs about 20 MiB a device, more than the [04] of --memory_mib: "
  for degree, memory, message in (
    (0, small, "--degree=0 must be at least 1"),
    (40, small, too_much + "--degree=20 fits"),
    (40, 1, too_much + "no degree fits"),
  ):
    task = _unloaded(curve, degree, memory)
    with pytest.raises(UserError, match=message):
      harmonic.check(task)
    with pytest.raises(UserError, match=message):
      bundles.check(task, _BUNDLE)
  fits = _unloaded(curve, 20, small)
  harmonic.check(fits)
  bundles.check(fits, _BUNDLE)
  for text in ("1", "1,-1,0", "1,-1;1", "1,x"):
    with pytest.raises(UserError, match="--bundle"):
      bundles.check(fits, text)
  # Along z_0 dQ/dz_1, and along nothing.
  moved = "2*z0*z1*(z2^2 + z3^2) + 3*z0^2*z2*z3"
  for polynomials, message in (
    (f"{_CURVE.replace('psi', '3')} + (psi - 3 - 1j)*({moved})", "psi only moves the manifold"),
    (_CURVE.replace("psi", "3"), "do not change with psi"),
  ):
    with pytest.raises(UserError, match=message):
      harmonic.check(_unloaded(_config(polynomials)))


def test_sections_of_bundles_need_memory_of_their_own():
  config = _config("(z0^2 + z1^2)*(z2^2 + z3^2)*(z4^2 + z5^2) + psi*z0*z1*z2*z3*z4*z5")
  config.variety.ambient = (1, 1, 1)
  # h^1 = 4, its slope vanishes.
  matter_of_run.check(_unloaded(config, 1, 2**21), [(1, -2, 1)])
  with pytest.raises(UserError, match="--degree=2 needs .*: --degree=1 fits"):
    matter_of_run.check(_unloaded(config, 2, 2**21), [(1, -2, 1)])
