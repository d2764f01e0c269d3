"""What every entry point shares: flag parsing, the distributed runtime, one-line errors."""

from collections.abc import Callable, Mapping, Sequence
import ctypes
import functools
import inspect
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from types import ModuleType
from typing import Any

from absl import app, flags, logging
import jax
from ml_collections import config_flags

from launch import config_files, help
from networks import user_code
from trainer.certificate import verdict
from trainer.devices import parallel
from trainer.errors import UserError, is_disk_full

_COORDINATOR = flags.DEFINE_string(
  "coordinator_address",
  None,
  "host:port of process 0, to start several processes by hand; clusters and TPU pods are detected.",
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes in all, with the above.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "This process' number, with the above.")
DATA_DIR = flags.DEFINE_string(
  "data_dir",
  os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ricciflat"),
  "Directory where sampled points are cached.",
)

_MEMORY = flags.DEFINE_integer(
  "memory_mib",
  None,
  "Memory of each device for intermediate results; default: chosen by what "
  "it has. Batches that need more are worked on in parts.",
)

_ALLOW_FAIL = flags.DEFINE_boolean(
  "allow_fail", False, "Exit with status 0, not 2, when a certificate says FAIL."
)

_INTERRUPTED = "interrupted; the same command goes on from the last checkpoint"
# Seconds that an interrupted process has to end by itself.
_PATIENCE = 3.0

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

  told = _watch_interrupts()

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
      _initialize_distributed()
      main(*argv[1:])
    except UserError as error:
      _fail(error, error.status)
    except KeyboardInterrupt:
      told.set()
      _tell(_INTERRUPTED)
      sys.stdout.flush()
      os._exit(1)  # Other threads may be in the middle of anything.
    except Exception as error:
      if is_disk_full(error):
        _fail(
          "the disk is full: free some space; the same command goes on from the last checkpoint"
        )
      if user_code.place_of(error) is None:
        raise
      _fail(user_code.describe(error))

  app.run(guarded, flags_parser=functools.partial(_parse, inspect.getmodule(main)))


def judge(certificate: Mapping[str, Any]) -> None:
  """Raises verdict.FailedError if a certificate says FAIL, unless --allow_fail is given."""
  if not _ALLOW_FAIL.value:
    verdict.check(certificate)


def memory() -> int:
  """The bytes of --memory_mib, or the default of this machine."""
  if _MEMORY.value is None:
    return parallel.default_memory()
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


def _keep_freed_memory() -> None:
  """Has glibc keep what is freed.

  A step on CPUs frees its intermediate results, and getting the pages of the
  next step's from the system, all zeroed, takes as long as some of its matmuls."""
  libc = ctypes.CDLL(None)
  if hasattr(libc, "mallopt"):
    for parameter, size in ((_M_MMAP_THRESHOLD, 2**30), (_M_TRIM_THRESHOLD, 2**31 - 1)):
      libc.mallopt(parameter, size)


def _watch_interrupts() -> threading.Event:
  """Ends the process a few seconds after Ctrl-C even where Python cannot, as in compilation.

  Python raises KeyboardInterrupt when its own code goes on, but writes the signal to a pipe at
  once.

  Returns:
    To be set when the user has been told.
  """
  told, (read_end, write_end) = threading.Event(), os.pipe()
  os.set_blocking(write_end, False)
  signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

  def watch():
    while os.read(read_end, 1)[0] != signal.SIGINT:
      pass
    time.sleep(_PATIENCE)
    if not told.is_set():
      _tell(_INTERRUPTED)
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()
  return told


def _fail(error: Exception | str, status: int = 1) -> None:
  _tell(error)
  sys.exit(status)


def _tell(error: Exception | str) -> None:
  # The terminal shows ^C where the cursor is.
  start = "\n" if error is _INTERRUPTED and sys.stderr.isatty() else ""
  print(f"{start}error:", " ".join(str(error).split()), file=sys.stderr, flush=True)


def _initialize_distributed() -> None:
  if _COORDINATOR.value:
    if _NUM_PROCESSES.value is None or _PROCESS_ID.value is None:
      raise UserError("--coordinator_address needs --num_processes and --process_id")
    jax.distributed.initialize(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    return
  try:
    jax.distributed.initialize()
  except ValueError:  # No cluster around: this process is the whole run.
    with socket.socket() as probe:
      probe.bind(("localhost", 0))
      port = probe.getsockname()[1]
    # Gloo would tell of its zero peers.
    jax.config.update("jax_cpu_collectives_implementation", None)
    jax.distributed.initialize(f"localhost:{port}", num_processes=1, process_id=0)
