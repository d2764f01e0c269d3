"""Harmonic (1, 1) forms: their exact inner products, and identities at points of any metric."""

import jax
import numpy as np
import pytest

from tests.geometry.varieties import random_variety, some_points
from trainer.bundles import line_bundles
from trainer.devices import parallel
from trainer.errors import UserError
from trainer.geometry.variety import Variety
from trainer.harmonic import kaehler, measure
from trainer.harmonic.solve import KaehlerForms
from trainer.points import dataset
from trainer.quadrature import background as backgrounds
from trainer.quadrature import functions as fields


def _background(variety, devices):
  """Some points of the Fubini-Study metric, bent a little."""
  mesh = parallel.make_mesh(jax.devices()[:devices])
  z = some_points(variety, 40)
  batch = dataset.prepare_on_host(variety, z, np.linspace(1, 2, len(z)), np.dtype(float))
  points = dataset.Dataset(parallel.shard_rows(mesh, batch, len(z)), len(z), 1.0)
  stretched = lambda params, batch: params * batch.fubini_study.T
  return backgrounds.of_metric(variety, stretched, 1.1, points, 1, mesh, 2**28)


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


def test_bundles_as_text():
  variety = random_variety("bicubic")
  assert line_bundles.parse("1,-1;-1,1", variety) == ((1, -1), (-1, 1))
  for text in ("1", "1,-1,0", "1,x", ""):
    with pytest.raises(UserError, match="--bundle"):
      line_bundles.parse(text, variety)
  found = line_bundles.describe_sum(variety, ((1, -1), (-1, 1)))
  assert found["c1"] == [0, 0] and found["anomaly_free"] and found["index"] == 0
