"""What every entry point shares: flag parsing, the distributed runtime, one-line errors."""

from collections.abc import Callable, Mapping, Sequence
import ctypes
import functools
import inspect
import os
import pathlib
import socket
import sys
from types import ModuleType
from typing import Any

from absl import app, flags, logging
import jax
from ml_collections import config_flags

from launch import config_files, help, process
from networks import user_code
from trainer.certificate import verdict
from trainer.devices import machine
from trainer.errors import UserError, is_disk_full
from trainer.run.host import Host

_COORDINATOR = flags.DEFINE_string(
  "coordinator_address",
  None,
  "host:port of process 0, to start several by hand; clusters and pods are detected.",
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes in all, with the above.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "This process' number, with the above.")
_HEARTBEAT_TIMEOUT = flags.DEFINE_integer(
  "heartbeat_timeout", 20, "Seconds of silence after which a process is lost and the others stop."
)
_INITIALIZATION_TIMEOUT = flags.DEFINE_integer(
  "initialization_timeout", 300, "Seconds to wait at first until all processes are there."
)
DATA_DIR = flags.DEFINE_string(
  "data_dir",
  os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ricciflat"),
  "Directory where sampled points are cached.",
)

_MEMORY = flags.DEFINE_integer(
  "memory_mib",
  None,
  "Memory of a device for intermediate results; larger batches are done in parts.",
)

_ALLOW_FAIL = flags.DEFINE_boolean(
  "allow_fail", False, "Exit with status 0, not 2, when a certificate says FAIL."
)

# This process, as a run knows it.
HOST = Host()

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # Of <malloc.h>.


def define_config_flag() -> flags.FlagHolder:
  """Defines --config=FILE[:ARGUMENT] and its --config.FIELD=VALUE overrides."""
  return config_flags.DEFINE_config_file(
    "config", None, "FILE or FILE:ARGUMENT, a config of your own or the name of a shipped one."
  )


def run(main: Callable[..., None], takes: flags.FlagHolder | None = None) -> None:
  """Parses the command line and calls `main`; a user's mistake becomes one line and exit status 1.

  A certificate that says FAIL becomes one line and exit status 2 (see `judge`).

  Float64 is enabled and the distributed runtime started first, on one process too: the handling of
  SIGTERM (preemption) needs it. What is no flag is refused, or passed to `main` where the
  boolean flag that `takes` it is given.
  """

  this = process.Process(HOST)
  this.watch()

  def guarded(argv: Sequence[str]) -> None:
    if not flags.FLAGS["verbosity"].present:
      # Orbax tells of every file it writes, and of its errors again and again, which come to us.
      logging.set_verbosity(logging.FATAL)
    sys.path.append(os.getcwd())  # For --config.network=my_module:Name.
    _keep_freed_memory()
    try:
      if len(argv) > 1 and not (takes and takes.value):
        raise UserError(f"unexpected argument {argv[1]!r}: settings are given as --name=value")
      jax.config.update("jax_enable_x64", True)
      this.join(_initialize_distributed, _HEARTBEAT_TIMEOUT.value)
      main(*argv[1:])
    except UserError as error:
      this.fail(error, error.status)
    except KeyboardInterrupt:
      this.interrupted()
    except Exception as error:
      if is_disk_full(error):
        this.fail(
          "the disk is full: free some space; the same command goes on from the last checkpoint"
        )
      if user_code.place_of(error) is None:
        this.crash()
      this.fail(user_code.describe(error))
    this.leave(0)

  app.run(guarded, flags_parser=functools.partial(_parse, inspect.getmodule(main)))


def judge(certificate: Mapping[str, Any]) -> None:
  """Raises verdict.FailedError if a certificate says FAIL, unless --allow_fail is given."""
  if not _ALLOW_FAIL.value:
    verdict.check(certificate)


def memory() -> int:
  """The bytes of --memory_mib, or the default of this machine."""
  if _MEMORY.value is None:
    return machine.default_memory()
  if _MEMORY.value < 1:
    raise UserError(f"--memory_mib={_MEMORY.value} must be at least 1")
  return _MEMORY.value * 2**20


def path_flag(value: str) -> pathlib.Path:
  """The absolute path a flag names, with ~ expanded."""
  return pathlib.Path(value).expanduser().absolute()


def _parse(command: ModuleType, argv: Sequence[str]) -> list[str]:
  """Parses flags; --help and --version are answered, mistakes become one line."""
  if {"--help", "-help", "-h", "--helpfull"} & set(argv):
    print(help.text(command))
    sys.exit(0)
  if {"--version", "-version"} & set(argv):
    print(help.version())
    sys.exit(0)
  try:
    return flags.FLAGS(config_files.resolved(argv) if "config" in flags.FLAGS else argv)
  except (UserError, flags.Error) as error:
    _fail(error)
  except (AttributeError, KeyError, TypeError, ValueError, OSError, ImportError) as error:
    _fail(f"--config: {type(error).__name__}: {error}")


def _fail(error: Exception | str) -> None:
  process.tell(error)
  sys.exit(1)


def _keep_freed_memory() -> None:
  """Has glibc keep what is freed.

  A step on CPUs frees its intermediate results, and getting the pages of the
  next step's from the system, all zeroed, takes as long as some of its matmuls."""
  libc = ctypes.CDLL(None)
  if hasattr(libc, "mallopt"):
    for parameter, size in ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**31 - 1)):
      libc.mallopt(parameter, size)


def _initialize_distributed() -> None:
  timeouts = dict(
    heartbeat_timeout_seconds=_HEARTBEAT_TIMEOUT.value,
    initialization_timeout=_INITIALIZATION_TIMEOUT.value,
  )
  if _COORDINATOR.value:
    if _NUM_PROCESSES.value is None or _PROCESS_ID.value is None:
      raise UserError("--coordinator_address needs --num_processes and --process_id")
    jax.distributed.initialize(
      _COORDINATOR.value,
      _NUM_PROCESSES.value,
      _PROCESS_ID.value,
      cluster_detection_method="deactivate",
      **timeouts,
    )
    return
  try:
    jax.distributed.initialize(**timeouts)
  except ValueError:  # No cluster around: this process is the whole run.
    with socket.socket() as probe:
      probe.bind(("localhost", 0))
      port = probe.getsockname()[1]
    # Gloo would tell of its zero peers.
    jax.config.update("jax_cpu_collectives_implementation", None)
    jax.distributed.initialize(f"localhost:{port}", num_processes=1, process_id=0)
