"""Metrics as a problem of a config."""

import pytest

from configs import fermat_cubic
from trainer import default_config, variety
from trainer.errors import UserError
from trainer.metric.problem import metric_problem


@pytest.mark.parametrize(
  "key, value, message",
  [
    ("loss.power", 3, "must be 1 or 2"),
    ("loss.name", "richi", "unknown loss"),
    ("loss.name", "ricci", "is for first-order steps"),
    ("start", "flat", "use one of fubini_study, balanced"),
  ],
)
def test_settings_that_make_no_sense(key, value, message):
  config = fermat_cubic.get_config()
  config.network, config.steps = "phi_mlp(widths=(4,))", 0
  config.update_from_flattened_dict({key: value})
  with pytest.raises(UserError, match=message):
    metric_problem(config, config.network, squares=True)


@pytest.mark.parametrize("key, value", [("start", "balanced"), ("continuation", (1,))])
def test_what_needs_one_multidegree_is_refused_for_other_classes(key, value):
  config = default_config()
  config.variety = variety((1, 2), ((2,), (3,)), moduli=(1.0, 1.5))
  config.network = "algebraic(degree=2)"
  config.update({key: value})
  if key == "start":
    config.network = "algebraic(degree=1)"
  with pytest.raises(UserError, match="degree 1 times .* is none"):
    metric_problem(config, config.network, squares=True)
