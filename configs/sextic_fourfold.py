"""The Fermat sextic, a Calabi-Yau fourfold.

The dimension of F-theory compactifications.

  python -m launch.train --config=configs/sextic_fourfold.py --workdir=runs/sextic_fourfold

Measured (seed 0): sigma = 0.00226 +- 0.00002, from 0.509 of Fubini-Study; 115 seconds on two cores
of an AMD EPYC. phi_mlp with 16,000 steps of Adam ends at 0.0075 after 463.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((5,), polynomials="z0^6 + z1^6 + z2^6 + z3^6 + z4^6 + z5^6")
  config.network = "monomial_mlp(widths=(48, 48, 48))"
  return config
