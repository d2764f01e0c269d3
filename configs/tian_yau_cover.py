"""The cover of the Tian-Yau manifold, P3 x P3 [3 0 1; 0 3 1], a random member.

Euler number -18; its quotient by Z3 has three generations.

  python -m launch.train --config=configs/tian_yau_cover.py --workdir=runs/tian_yau_cover

Measured with phi_mlp, 12,000 steps of Adam: sigma = 0.0718 +- 0.0008, from 0.562 of Fubini-Study;
174 seconds of one core of a busy AMD EPYC. --config.network='algebraic(degree=2)', by eta alone:
0.0741 +- 0.0012, 46 seconds.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((3, 3), ((3, 0, 1), (0, 3, 1)))
  return config
