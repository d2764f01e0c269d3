"""The bicubic in P2 x P2, a random member.

Euler number -162, two Kaehler moduli.

  python -m launch.train --config=configs/bicubic.py --workdir=runs/bicubic

@RESULT@
"""

from trainer.config import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((2, 2), ((3,), (3,)))
  config.steps = 12_000
  return config
