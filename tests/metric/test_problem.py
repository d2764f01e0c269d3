"""Metrics as a problem of a config."""

import pytest

from configs import fermat_cubic
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
