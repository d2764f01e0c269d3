"""The file of points and curvature that a run leaves, against what a run gives by name."""

import pathlib
import tarfile

import numpy as np

from tests.run import test_formats
from trainer import load_run
from trainer.devices import parallel
from trainer.use import archive


def test_points_and_curvature_in_one_file(tmp_path):
  with tarfile.open(pathlib.Path(test_formats.__file__).with_name("format_1.tar.gz")) as stored:
    stored.extractall(tmp_path, filter="data")
  workdir = tmp_path / "run"
  settings = dict(mesh=parallel.make_mesh(), data_dir=tmp_path / "data", memory=2**28)
  path = archive.write_curvature(workdir, **settings, num_points=7, seed=2)
  assert path == workdir / "curvature.npz"
  run = load_run(workdir)
  points = run.points(7, seed=2)
  expected = points._asdict() | run.curvature(points.z)._asdict()
  with np.load(path) as arrays:
    assert set(arrays) == set(expected)
    for name, array in expected.items():
      found = arrays[name]
      assert found.dtype == array.dtype, name
      np.testing.assert_allclose(found, array, rtol=1e-9, atol=1e-9, err_msg=name)
