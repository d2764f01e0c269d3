"""(P2)^3 [1 1 1; 1 1 1; 1 1 1], a random member.

Euler number -90, three polynomials.

  python -m launch.train --config=configs/triple_p2.py --workdir=runs/triple_p2

Measured, network and points chosen for 300 seconds, by eta alone: sigma = 0.0130 (degree 1, then
2), from 0.504 of Fubini-Study; 287 seconds on two cores of an AMD EPYC. phi_mlp with 12,000 steps
of Adam ends at 0.0609.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((2, 2, 2), ((1, 1, 1), (1, 1, 1), (1, 1, 1)))
  return config
