"""The Fermat quartic, a K3 surface.

The Ricci-flat metric is hyper-Kaehler.

  python -m launch.train --config=configs/k3_quartic.py --workdir=runs/k3_quartic

Measured (seed 0): sigma = 2.01e-4, max |eta - 1| = 2.4e-3, from 0.230 of Fubini-Study; 48 seconds
on two cores of an AMD EPYC. phi_mlp with 24,000 steps of Adam ends at 6.5e-4 after 138.
"""

from trainer import default_config, variety


def get_config():
  config = default_config()
  config.variety = variety((3,), polynomials="z0^4 + z1^4 + z2^4 + z3^4")
  config.network = "monomial_mlp(widths=(48, 48, 48))"
  return config
