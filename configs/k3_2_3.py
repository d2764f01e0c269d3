"""The K3 surface P4[2,3], a random member.

Degree 6.

  python -m launch.train --config=configs/k3_2_3.py --workdir=runs/k3_2_3

Measured (seed 0): sigma = 0.0193 +- 0.0002, from 0.486 of Fubini-Study; 57 seconds of one core
of a busy AMD EPYC.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((4,), ((2, 3),))
  config.network = "phi_mlp(widths=(64, 64, 64), activation='gelu')"
  config.steps = 12_000
  config.gauss_newton.steps = 0
  return config
