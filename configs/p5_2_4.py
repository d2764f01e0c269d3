"""P5[2,4], a random member.

Euler number -176.

  python -m launch.train --config=configs/p5_2_4.py --workdir=runs/p5_2_4

Measured (seed 0): sigma = 0.0860 +- 0.0011, from 0.443 of Fubini-Study; 214 seconds of one core
of a busy AMD EPYC.
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((5,), ((2, 4),))
  config.network = "phi_mlp(widths=(64, 64, 64), activation='gelu')"
  config.steps = 12_000
  config.gauss_newton.steps = 0
  return config
