"""A random quintic at degree 8 on a pod: 65,536 points for each of so many devices.

  python -m launch.train --config=configs/pod.py:256 --workdir=/shared/runs/pod

on every host (launch/tpu_pod.sh, launch/slurm.sbatch; README.md). The number is that of devices in
all; a step of conjugate gradients takes all points. Degree 4, 4,900 unknowns, is squared to degree
8, 211,600. No sigma was measured at this size (random_quintic.py has that of degree 6);
`ricciflat-benchmark --suite=scaling` predicts the efficiency.
"""

from trainer import default_config, variety

_POINTS_A_DEVICE = 65_536


def get_config(devices="8"):
  config = default_config()
  config.variety = variety((4,), ((5,),))
  config.network = "algebraic(degree=8)"
  config.continuation = (4,)
  points = _POINTS_A_DEVICE * int(devices)
  config.gauss_newton.iterations = 10
  config.data.train_points = config.data.resident_points = points
  config.gauss_newton.batch_size = points
  return config
