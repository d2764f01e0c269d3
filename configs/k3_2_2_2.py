"""The K3 surface P5[2,2,2], a random member.

Degree 8, three quadrics.

  python -m launch.train --config=configs/k3_2_2_2.py --workdir=runs/k3_2_2_2

Measured (seed 0): sigma = 0.0276 +- 0.0004, from 0.711 of Fubini-Study; 88 seconds of one core
of a busy AMD EPYC.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((5,), ((2, 2, 2),))
  config.network = "phi_mlp(widths=(64, 64, 64), activation='gelu')"
  config.steps = 12_000
  config.gauss_newton.steps = 0
  return config
