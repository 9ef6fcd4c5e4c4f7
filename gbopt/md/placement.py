"""Where evaluations run: which GPU each worker gets, and no more threads than there are cores."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from gbopt.config.sections import RunConfig
from gbopt.errors import ConfigError
from gbopt.md.engine import EngineSettings
from gbopt.md.libmpi import VISIBLE

_QUERY_S = 30
_MPS_PIPE, _MPS_LOG = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
_GPU_ACCELERATORS = ("CUDA", "HIP", "OpenCL", "kokkos", "gpu", "cuda")


def on_gpu(settings: EngineSettings) -> bool:
    """Whether an engine runs on a GPU."""
    return settings.accelerator in _GPU_ACCELERATORS


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> tuple[str, ...]:
    """Number or identifier of every GPU that this process may use, as the driver names them."""
    for name in VISIBLE:
        if name in os.environ:
            return tuple(part.strip() for part in os.environ[name].split(",") if part.strip())
    return tuple(str(index) for index in range(len(_installed_gpus())))


def gpu_names() -> tuple[str, ...]:
    """Name and driver of every GPU of the machine; empty where this process may use none."""
    hidden = any(os.environ.get(name, "all").strip() in ("", "-1") for name in VISIBLE)
    return () if hidden else _installed_gpus()


@lru_cache(maxsize=1)
def _installed_gpus() -> tuple[str, ...]:
    """What the driver's own tool lists."""
    nvidia = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    amd = ("rocm-smi", "--showproductname", "--csv")
    for command, header in ((nvidia, 0), (amd, 1)):
        if shutil.which(command[0]) is None:
            continue
        try:
            said = subprocess.run(
                command, capture_output=True, text=True, timeout=_QUERY_S, check=True
            ).stdout
        except (subprocess.SubprocessError, OSError):
            continue  # the tool is there, the driver is not
        return tuple(line.strip() for line in said.splitlines()[header:] if line.strip())
    return ()


def device_of(slot: int, settings: EngineSettings) -> str:
    """GPU of a worker; empty where the engine needs none."""
    found = gpus()
    return found[slot % len(found)] if on_gpu(settings) and found else ""


def require_room(run: RunConfig, settings: EngineSettings) -> None:
    """Refuse more workers than there are places for them.

    Raises:
        ConfigError: threads, ranks and workers need more cores than there are, or GPUs would be
            shared by more workers than run.workers_per_gpu.
    """
    each = settings.threads * settings.ranks
    if each > 1 and run.workers * each > cores():
        raise ConfigError(
            f"run.workers = {run.workers} with {settings.ranks} rank(s) of {settings.threads} "
            f"thread(s) each need {run.workers * each} cores, this machine gives {cores()}",
            hint="lower run.threads or run.ranks: on CPUs more workers are worth more",
        )
    if on_gpu(settings) and run.workers > (places := max(1, len(gpus())) * run.workers_per_gpu):
        raise ConfigError(
            f"run.workers = {run.workers}, but {len(gpus())} GPU(s) of {run.workers_per_gpu} "
            f"worker(s) have {places} places",
            hint='lower run.workers, raise run.workers_per_gpu, or set run.engine = "lammps"',
        )


@contextmanager
def shared_gpus(run: RunConfig, settings: EngineSettings) -> Iterator[str]:
    """Start NVIDIA's MPS where several workers share a GPU; yield a line that says what was done.

    With MPS the kernels of several processes run side by side, without it they take turns. The
    environment of this process, and of all it starts, points to the daemon while the context lasts.
    """
    control = shutil.which("nvidia-cuda-mps-control")
    if not on_gpu(settings) or run.workers <= max(1, len(gpus())):
        yield ""
        return
    if _MPS_PIPE in os.environ or control is None:
        yield "sharing GPUs " + ("through MPS of this environment" if control else "without MPS")
        return
    with tempfile.TemporaryDirectory(prefix="gbopt-mps-") as folder, _terminable():
        os.environ |= {_MPS_PIPE: folder, _MPS_LOG: folder}
        failure = _start_mps(control)
        if failure is not None:
            _forget_mps()
            yield f"sharing GPUs without MPS, which does not start: {failure}"
            return
        try:
            yield "sharing GPUs through MPS"
        finally:
            # Whatever it says: the error that brought us here must not be lost over it.
            with suppress(subprocess.SubprocessError, OSError):
                subprocess.run(
                    [control], input="quit\n", text=True, timeout=_QUERY_S, check=False,
                    capture_output=True,
                )  # fmt: skip
            _forget_mps()


def _start_mps(control: str) -> str | None:
    """Start the daemon; return why it does not start, or None."""
    # It serves every GPU: what a worker may use is the worker's own variable, by the same numbers.
    every = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    try:
        started = subprocess.run(
            [control, "-d"],
            capture_output=True,
            text=True,
            timeout=_QUERY_S,
            check=False,
            env=every,
        )
    except (subprocess.SubprocessError, OSError) as error:
        return str(error)
    if started.returncode == 0:
        return None
    said = (started.stderr or started.stdout).strip().splitlines()
    return said[0] if said else f"exit code {started.returncode}"


def _forget_mps() -> None:
    os.environ.pop(_MPS_PIPE, None)
    os.environ.pop(_MPS_LOG, None)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM, which a scheduler sends, into an exit that ends the daemon first.

    Where the caller answers it already, that is left as it is.
    """
    answered = signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    if answered or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
