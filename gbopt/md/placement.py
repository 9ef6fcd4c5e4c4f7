"""Where evaluations run: which GPU each worker gets, and no more threads than there are cores."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from gbopt.config.sections import RunConfig
from gbopt.errors import ConfigError
from gbopt.md.engine import EngineSettings

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
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        if name in os.environ:
            return tuple(part.strip() for part in os.environ[name].split(",") if part.strip())
    return tuple(str(index) for index in range(len(gpu_names())))


@lru_cache(maxsize=1)
def gpu_names() -> tuple[str, ...]:
    """Name and driver of every GPU, by the driver's own tool; empty where there is none."""
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
            hint="lower run.workers, or raise run.workers_per_gpu",
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
    with tempfile.TemporaryDirectory(prefix="gbopt-mps-") as folder:
        os.environ |= {_MPS_PIPE: folder, _MPS_LOG: folder}
        try:
            started = subprocess.run(
                [control, "-d"], capture_output=True, text=True, timeout=_QUERY_S, check=False
            )
            if started.returncode == 0:
                yield "sharing GPUs through MPS"
            else:
                os.environ.pop(_MPS_PIPE)
                os.environ.pop(_MPS_LOG)
                why = (started.stderr or started.stdout).strip().splitlines()
                yield f"sharing GPUs without MPS, which does not start: {why[0] if why else '?'}"
        finally:
            if _MPS_PIPE in os.environ:
                subprocess.run(
                    [control], input="quit\n", text=True, timeout=_QUERY_S, check=False,
                    capture_output=True,
                )  # fmt: skip
            os.environ.pop(_MPS_PIPE, None)
            os.environ.pop(_MPS_LOG, None)
