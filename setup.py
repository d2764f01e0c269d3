"""Installs the trainer, its networks, its entry points and its configs as `ricciflat`."""

import setuptools

setuptools.setup(
  name="ricciflat",
  version="0.1.0",
  description="Multi-device distributed trainer for Ricci-flat metrics on Calabi-Yau manifolds",
  license="Apache-2.0",
  python_requires=">=3.11",
  packages=setuptools.find_packages(
    include=["trainer", "trainer.*", "networks", "networks.*", "launch", "configs"]
  ),
  install_requires=[
    "jax>=0.10.2,<0.13",
    "jaxlib>=0.10.2,<0.13",
    "dm-haiku>=0.0.17,<0.1",
    "optax>=0.2.8,<0.3",
    "chex>=0.1.92,<0.2",
    "orbax-checkpoint>=0.12,<0.13",
    "absl-py>=2.3,<3",
    "ml_collections>=1.1,<2",
    "matplotlib>=3.9,<4",
    "numpy>=2.1,<3",
    "tqdm>=4.66,<5",
  ],
  extras_require={
    "ode": ["diffrax>=0.7.2,<0.8"],
    "tensorboard": ["tensorboardX>=2.6,<3"],
    "test": [
      "pytest>=8,<10",
      "pytest-xdist>=3.6,<4",
      "ruff>=0.17,<0.18",
      "diffrax>=0.7.2,<0.8",
      "tensorboardX>=2.6,<3",
    ],
    "gpu": ["jax[cuda13]>=0.10.2,<0.13"],
    "tpu": ["jax[tpu]>=0.10.2,<0.13"],
  },
  entry_points={
    "console_scripts": [
      "ricciflat-sample = launch.sample:cli_main",
      "ricciflat-train = launch.train:cli_main",
      "ricciflat-evaluate = launch.evaluate:cli_main",
      "ricciflat-benchmark = launch.benchmark:cli_main",
      "ricciflat-local-cluster = launch.local_cluster:cli_main",
    ]
  },
)
