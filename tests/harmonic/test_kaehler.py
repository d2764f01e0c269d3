"""Harmonic (1, 1) forms: their exact inner products, and identities at points of any metric."""

import math
import types

import jax
import numpy as np
import pytest

from configs import k3_quartic
from tests.geometry.varieties import random_variety, some_points
from trainer.bundles import line_bundles
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry import hermitian
from trainer.geometry.description import make_variety
from trainer.geometry.variety import Variety
from trainer.harmonic import kaehler, measure, solve
from trainer.harmonic.solve import KaehlerForms
from trainer.points import dataset
from trainer.quadrature import background as backgrounds
from trainer.quadrature import functions as fields
from trainer.quadrature.background import Rows


def _stretched(factor, batch):
  return factor * batch.fubini_study.T


def _background(variety, devices, metric=_stretched, params=1.1):
  """Some points of the Fubini-Study metric, stretched a little, or of another one."""
  mesh = parallel.make_mesh(jax.devices()[:devices])
  z = some_points(variety, 40)
  batch = dataset.prepare_on_host(variety, z, np.linspace(1, 2, len(z)), np.dtype(float))
  points = dataset.Dataset(parallel.shard_rows(mesh, batch, len(z)), len(z), 1.0)
  return backgrounds.of_metric(variety, metric, params, points, 1, mesh, 2**28)


def test_exact_products_by_hand():
  found = kaehler.exact(Variety((2, 2), random_variety("bicubic").polynomials, (1.0, 1.0)))
  np.testing.assert_allclose(found.products, [[3.75, 0.75], [0.75, 3.75]], rtol=1e-14)
  np.testing.assert_allclose(found.traces, [1.5, 1.5], rtol=1e-14)


def test_identities_at_points_on_any_number_of_devices():
  variety = random_variety("bicubic")
  functions = fields.of_degree(variety, 1)
  h = np.random.default_rng(0).normal(size=(2, functions.size, functions.size))
  h[1] = -variety.moduli[0] * h[0] / variety.moduli[1]
  forms = KaehlerForms(1, h)
  one, four = (measure.at_points(variety, forms, _background(variety, count)) for count in (1, 4))
  for name, array in one.items():
    np.testing.assert_allclose(array, four[name], rtol=1e-9, atol=1e-9, err_msg=name)
  # sum_i t_i alpha_i = g whatever u is, and d dbar u traces to Box u.
  total = np.einsum("i,piab->pab", variety.moduli, one["forms"])
  np.testing.assert_allclose(total, one["metric"], atol=1e-11)
  background = _background(variety, 1)
  box = background.at_points(lambda h, rows: fields.box(functions.frame(rows), h), h)
  flat = measure.at_points(variety, KaehlerForms(0, np.zeros((2, 0, 0))), background)
  np.testing.assert_allclose(one["traces"] - flat["traces"], box, atol=1e-9)
  # <alpha, g> = tr alpha.
  along = one["products"] @ np.array(variety.moduli)
  np.testing.assert_allclose(along, one["traces"], atol=1e-9)


def test_with_one_modulus_the_form_is_the_metric_and_a_solution_finds_it():
  config = k3_quartic.get_config()
  config.variety.moduli = (2.0,)
  variety = make_variety(config)
  functions = fields.of_degree(variety, 1)

  def bent(h, batch):
    rows = Rows(batch.x, batch.pullback, batch.pullback, batch.weight, batch.omega)
    added = kaehler.hessians(functions, h, rows)[:, 0]
    return batch.fubini_study.T + jax.vmap(hermitian.pack, out_axes=1)(added)

  h = 0.02 * np.random.default_rng(0).normal(size=(1, functions.size, functions.size))
  at = _background(variety, 1, bent, h)
  before = measure.at_fubini_study(variety, at)
  for forms in (KaehlerForms(0, np.zeros((1, 0, 0))), solve.solve(variety, at, at, 1)):
    after = measure.at_points(variety, forms, at)
    np.testing.assert_allclose(after["forms"][:, 0], after["metric"] / 2, atol=1e-9)
    # Lambda F of O(3) is 3 pi n / t, and its slope exact at any points.
    found = line_bundles.measure(variety, (3,), before, after, 1)
    assert found["constant"] == pytest.approx(3 * math.pi)
    assert found["residual"]["value"] < 1e-8 and found["residual"]["fubini_study"] > 1e-2
    assert found["slope"]["value"] == pytest.approx(found["slope"]["exact"], rel=1e-9)


def test_with_one_modulus_only_a_degree_asks_for_a_solution(tmp_path, monkeypatch):
  found = KaehlerForms(1, np.ones((1, 4, 4)))
  monkeypatch.setattr(solve, "_solve", lambda task: found)
  task = types.SimpleNamespace(
    variety=make_variety(k3_quartic.get_config()),
    params={"w": np.ones(1)},
    workdir=tmp_path,
    unfinished=types.SimpleNamespace(clear=lambda name: None),
  )
  for task.degree, expected in ((None, 0), (1, 1), (1, 1), (None, 0)):
    assert solve.forms_of_run(task).degree == expected
    assert solve.load(tmp_path, task.params).degree == expected


def test_bundles_as_text():
  variety = random_variety("bicubic")
  assert line_bundles.parse("1,-1;-1,1", variety) == ((1, -1), (-1, 1))
  for text in ("1", "1,-1,0", "1,x", ""):
    with pytest.raises(UserError, match="--bundle"):
      line_bundles.parse(text, variety)
  found = line_bundles.describe_sum(variety, ((1, -1), (-1, 1)))
  assert found["c1"] == [0, 0] and found["anomaly_free"] and found["index"] == 0
