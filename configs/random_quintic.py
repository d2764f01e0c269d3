"""A random quintic threefold: Gaussian coefficients, every monomial present, no symmetry.

  python -m launch.train --config=configs/random_quintic.py --workdir=runs/random_quintic

Degree 3 squared is degree 6, two steps of ten iterations from its end. Measured (seed 0): sigma =
0.0123 +- 0.0001, from 0.394 of Fubini-Study, positive everywhere by proof; 352 seconds, 485 of CPU
time, on two busy cores of an AMD EPYC. Degree 5 with curvature_mlp, as in random_quintic_fine.py:
0.0142 after 440 (703 of CPU time) when nothing else ran there.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((4,), ((5,),))
  return config
