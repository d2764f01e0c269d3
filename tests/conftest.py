"""Four fake devices and float64, set before jax is imported by any test.

Most of the tests' time is compilation of programs that run once: they are compiled with little
optimisation, and once for all processes. Devices that wait for each other are given two
minutes: on busy cores one may come late, and what waits for ever ends its process and fails.
"""

import atexit
from importlib import metadata
import os
import shutil
import tempfile

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
  # In the process that starts the others.
  os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="ricciflat-tests-")
  atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = " ".join(
  [
    os.environ.get("XLA_FLAGS", ""),
    "--xla_force_host_platform_device_count=4",
    "--xla_backend_optimization_level=0",
    "--xla_cpu_collective_call_terminate_timeout_seconds=120",
  ]
  # These take twice as long to compile; later releases know no other.
  + ["--xla_cpu_use_fusion_emitters=false"] * metadata.version("jaxlib").startswith("0.10.")
)

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_enable_x64", True)


@pytest.fixture
def without_pictures(monkeypatch):
  """Reports are written with empty pictures, which take half the time of a small certificate."""
  monkeypatch.setattr("trainer.certificate.pictures.png", lambda figure: b"")


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
  """A cache of sampled points that all tests share."""
  return tmp_path_factory.mktemp("points")
